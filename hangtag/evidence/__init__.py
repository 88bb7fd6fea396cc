"""What in a text supports its tags."""

from hangtag.evidence.evidence import Evidence
from hangtag.evidence.split import Split, split_logits
from hangtag.evidence.support import Support

__all__ = ["Evidence", "Split", "Support", "split_logits"]
