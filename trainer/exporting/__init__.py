"""From the fine-tuned model to int8 weights."""
