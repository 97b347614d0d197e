"""For those who write the course: from texts to notebooks. A learner's notebook never imports this."""
