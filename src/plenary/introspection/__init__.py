"""Looking inside a model: who listened to whom, how much of it there is, and what it costs."""

from plenary.introspection.counting import ParameterTable, count_flops, flops_of_vit, parameter_table
from plenary.introspection.recording import AttentionRecording, record_attention
from plenary.introspection.rollout import attention_rollout, class_attention_map
from plenary.introspection.silencing import without_heads, without_layer

__all__ = [
    "AttentionRecording",
    "ParameterTable",
    "attention_rollout",
    "class_attention_map",
    "count_flops",
    "flops_of_vit",
    "parameter_table",
    "record_attention",
    "without_heads",
    "without_layer",
]
