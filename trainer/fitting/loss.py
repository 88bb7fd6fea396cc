"""The training loss: softmax and cross-entropy inside single facets, a sigmoid and BCE per tag of multi facets."""

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 (the field's own abbreviation)

from hangtag.schema import FacetKind, TagSchema


def tag_loss(logits: Tensor, targets: Tensor, known: Tensor, schema: TagSchema, label_smoothing: float) -> Tensor:
    """Mean over the batch of each product's loss, summed over the facets that are labelled for it.

    All of shape (batch, tags); `known` is 1 where a tag's target is known. Smoothing e replaces a one-hot target y by
    (1 - e) y + e / K for the K tags of a single facet (Szegedy et al. 2016, section 7). Where none of a single facet's
    tags fits, every one of them is to be equally unlikely (outlier exposure: Hendrycks et al. 2019, section 4.3).
    """
    losses = []
    for facet in schema.facets:
        where = schema.slices[facet.name]
        scores, target, labelled = logits[:, where], targets[:, where], known[:, where]
        if facet.kind is FacetKind.SINGLE:
            even = torch.full_like(target, 1 / len(facet.values))
            is_none = target.sum(1, keepdim=True) == 0
            smooth = torch.where(is_none, even, torch.lerp(target, even, label_smoothing))
            losses.append(-(smooth * F.log_softmax(scores, dim=1) * labelled).sum())
        else:
            losses.append((F.binary_cross_entropy_with_logits(scores, target, reduction="none") * labelled).sum())
    return torch.stack(losses).sum() / len(logits)
