"""Export of the fine-tuned model as int8 weights."""
