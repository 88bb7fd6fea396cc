"""What a run says before its first step: what it made of the data, with what it trains and how long that takes."""

from collections.abc import Iterator

import torch

from hangtag.trainer.fitting.processes import Processes
from hangtag.trainer.fitting.start import Start
from hangtag.trainer.recipe.by_size import settings_by_size
from hangtag.trainer.running.prepared import Prepared

_MINUTE, _HOUR = 60, 3600
_LONG_S = 100


def notes_on_data(prepared: Prepared, *, sized: bool) -> Iterator[str]:
    """What to know about the products and facets of a run; with `sized` also the settings that their number decided."""
    if sized:
        chosen = ", ".join(f"{name} {value}" for name, value in settings_by_size(prepared.train.recipe).items())
        yield f"Settings for {len(prepared.train.products):,} training products: {chosen}; a recipe can set others"
    if parents := [f"{facet.name} below {facet.parent}" for facet in prepared.schema.facets if facet.parent]:
        yield f"Facets that are decided together: {', '.join(parents)}"
    if prepared.unlabelled_facets:
        yield f"No validation product is labelled for {', '.join(prepared.unlabelled_facets)}: it gets no AUTO tags"
    for facet, count in prepared.contradictory.items():
        yield f"{count:,} products have several tags of {facet}, a single facet: they are not used for it"
    if prepared.pseudo_labels:
        counts = ", ".join(f"{facet} {count:,}" for facet, count in prepared.pseudo_labels.items())
        yield f"Products with pseudo-labels: {counts}"


def notes_on_start(start: Start, prepared: Prepared, processes: Processes) -> Iterator[str]:
    """The line on device, products and time; for a resumed run, one on its place."""
    products, schema = len(prepared.train.products), prepared.schema
    yield (
        f"Training on {_device(processes)} in {prepared.train.recipe.precision}; {products:,} training and "
        f"{len(prepared.validation):,} validation products, {len(schema.tags):,} tags in {len(schema.facets)} facets; "
        f"at most {start.epochs} epochs of {start.steps:,} steps, {_duration(start.seconds)}"
    )
    if start.checkpoint is not None:
        yield (f"Resuming at epoch {start.epoch}, step {start.step + 1:,} of {start.steps:,}, from {start.checkpoint}")


def _duration(seconds: float) -> str:
    if seconds < _LONG_S:
        return f"about {max(1, round(seconds))} s"
    if seconds < _LONG_S * _MINUTE:
        return f"about {seconds / _MINUTE:.0f} min"
    return f"about {seconds / _HOUR:.1f} h"


def _device(processes: Processes) -> str:
    device = processes.device
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    else:
        threads = torch.get_num_threads()
        name = f"the {device.type.upper()} with {threads} thread{'s' if threads > 1 else ''}"
    return name if processes.count == 1 else f"{name}, in {processes.count} processes"
