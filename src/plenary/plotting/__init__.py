"""One style for the book's figures: a picture is drawn once and follows the reader's light or dark page.

fig, ax = figure()
ax.plot(x, y, color=colour("query"))
show(fig, alt="The entropy falls from 3.4 to 0.2 nats as d_k grows from 1 to 256")
"""

from plenary.plotting.attention import attention_heatmap, overlay
from plenary.plotting.curves import training_curves, training_figure
from plenary.plotting.picture import Picture, show
from plenary.plotting.style import WIDTH, colour, figure

__all__ = [
    "WIDTH",
    "Picture",
    "attention_heatmap",
    "colour",
    "figure",
    "overlay",
    "show",
    "training_curves",
    "training_figure",
]
