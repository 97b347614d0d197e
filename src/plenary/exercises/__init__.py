"""The course's exercises, a module or package each: how to ask, what to judge, which mistakes are known.

Every one defines ``EXERCISES``, a tuple of :class:`plenary.checks.Exercise`; ``plenary.checks`` finds them.
"""
