"""The training loss: a softmax inside single facets, a sigmoid per tag of multi facets."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 (the field's own abbreviation)

from hangtag.tags.schema import FacetKind, TagSchema
from hangtag.trainer.recipe.fitting import Objective

PLAIN = Objective()
# With this value, the effective number of a tag's products approaches 1,000 (Cui et al. 2019, section 5).
_EFFECTIVE_BETA = 0.999
_TINY = 1e-8


def tag_loss(
    logits: Tensor,
    targets: Tensor,
    known: Tensor,
    schema: TagSchema,
    label_smoothing: float,
    objective: Objective = PLAIN,
    weights: Tensor | None = None,
) -> Tensor:
    """Mean over the batch of each product's loss, summed over the facets that are labelled for it.

    All tensors have the shape (batch, tags), except `weights`, of shape (tags,): the weight of products with the tag in
    the loss of the tag's facet. `known` is 1 where the target is known. Label smoothing e replaces a one-hot target y
    by (1 - e) y + e / K for the K tags of a single facet (Szegedy et al. 2016, section 7). If none of a single facet's
    tags fits, the target is uniform (outlier exposure: Hendrycks et al. 2019, section 4.3).
    """
    losses = []
    for facet in schema.facets:
        where = schema.slices[facet.name]
        scores, target, labelled = logits[:, where], targets[:, where], known[:, where]
        if facet.kind is FacetKind.SINGLE:
            loss = _single(scores, target, label_smoothing, objective)
            if weights is not None:
                weight = (target * weights[where]).sum(1, keepdim=True)
                loss = loss * torch.where(target.sum(1, keepdim=True) == 0, torch.ones_like(weight), weight)
        else:
            loss = _multi(scores, target, objective)
            if weights is not None:
                loss = loss * torch.where(target > 0, weights[where], 1.0)
        losses.append((loss * labelled).sum())
    return torch.stack(losses).sum() / len(logits)


def distillation_loss(logits: Tensor, soft: Tensor, schema: TagSchema, temperature: float) -> Tensor:
    """Mean over the batch of KL(teachers || student), summed over facets, times T^2.

    Both tensors have the shape (batch, tags); `soft` are the teachers' probabilities at temperature T, NaN where there
    is none. T^2 keeps the size of the gradients independent of T (Hinton et al. 2015, section 2). In a single facet the
    student's softmax covers only tags with a soft target, so that tags that the teachers lack are learnt from the
    labels (Li and Hoiem 2016).
    """
    has_target = ~soft.isnan()
    probabilities, scores = soft.nan_to_num(), logits / temperature
    losses = [logits.new_zeros(())]
    for facet in schema.facets:
        where = schema.slices[facet.name]
        here = has_target[:, where]
        rows = here.any(1)
        if facet.kind is FacetKind.SINGLE:
            log_p = F.log_softmax(scores[rows, where].masked_fill(~here[rows], -torch.inf), dim=1)
            p = probabilities[rows, where]
            losses.append((torch.xlogy(p, p) - p * log_p.masked_fill(~here[rows], 0.0)).sum())
        else:
            p = probabilities[:, where]
            each = F.binary_cross_entropy_with_logits(scores[:, where], p, reduction="none")
            losses.append(((each + torch.xlogy(p, p) + torch.xlogy(1 - p, 1 - p)) * here).sum())
    return torch.stack(losses).sum() * temperature**2 / len(logits)


def scope_loss(scores: Tensor, on_topic: Tensor) -> Tensor:
    """Mean loss of the score for "about a product"; both tensors have the shape (batch,)."""
    return F.binary_cross_entropy_with_logits(scores, on_topic)


def tag_weights(
    counts: Tensor, schema: TagSchema, balance: Literal["none", "inverse_root", "effective"]
) -> Tensor | None:
    """The weight of each tag's products, from the number n of training products with it; both of shape (tags,).

    `inverse_root`: 1 / sqrt(n). `effective`: (1 - b) / (1 - b^n), the inverse of the effective number of samples (Cui
    et al. 2019, equation 2). Scaled so that the mean over a facet's labels is 1. None: all weights are equal.
    """
    if balance == "none":
        return None
    n = counts.clamp(min=1).double()
    raw = n.rsqrt() if balance == "inverse_root" else (1 - _EFFECTIVE_BETA) / (1 - _EFFECTIVE_BETA**n)
    for facet in schema.facets:
        where = schema.slices[facet.name]
        raw[where] *= n[where].sum() / (n[where] * raw[where]).sum()
    return raw.float()


def _single(scores: Tensor, target: Tensor, label_smoothing: float, objective: Objective) -> Tensor:
    even = torch.full_like(target, 1 / target.shape[1])
    is_none = target.sum(1, keepdim=True) == 0
    smooth = torch.where(is_none, even, torch.lerp(target, even, label_smoothing))
    log_p = F.log_softmax(scores, dim=1)
    if objective.single == "focal":  # Lin et al. 2017, equation 4
        return -(smooth * _focal_factor(1 - log_p.exp(), objective.focus) * log_p)
    return -(smooth * log_p)


def _multi(scores: Tensor, target: Tensor, objective: Objective) -> Tensor:
    loss = F.binary_cross_entropy_with_logits(scores, target, reduction="none")
    if objective.multi == "focal":
        # exp(-loss) is the predicted probability of the true value.
        loss = loss * _focal_factor(1 - torch.exp(-loss), objective.focus)
    elif objective.multi == "asymmetric":  # Ben-Baruch et al. 2021, equation 7, with gamma+ = 0
        shifted = (torch.sigmoid(scores) - objective.margin).clamp(min=0)
        negative = -_focal_factor(shifted, objective.focus) * torch.log((1 - shifted).clamp(min=_TINY))
        loss = target * loss + (1 - target) * negative
    return loss


def _focal_factor(error: Tensor, focus: float) -> Tensor:
    # At exactly 0, the gradient of a power below 1 is infinite.
    return error.clamp(min=_TINY) ** focus
