"""What in a text supports its tags."""

from hangtag.evidence.evidence import Evidence
from hangtag.evidence.heads import Heads
from hangtag.evidence.split import Split, split_logits
from hangtag.evidence.support import Support

__all__ = ["Evidence", "Heads", "Split", "Support", "split_logits"]
