"""Costs of the fine-tuning methods: trained parameters, optimizer memory, and step time relative to full fine-tuning.

Example: python -m benchmarks.methods --steps 8
"""

import argparse
import json
import statistics
import time

import torch
from torch import Tensor

from hangtag.trainer.fitting.base_model import resolve_base_model
from hangtag.trainer.fitting.model import TagModel, load_encoder
from hangtag.trainer.fitting.tuning import Tuning
from hangtag.trainer.recipe.fitting import Method

KINDS = ("full", "head", "top", "lora", "adalora", "ia3", "prefix")
TAGS = 400


class Stepper:
    """A model that takes training steps on random token ids."""

    def __init__(self, kind: str, base_model: str) -> None:
        encoder, _tokenizer, config = load_encoder(resolve_base_model(base_model))
        self.model = TagModel(encoder, TAGS, 0.1)
        self.tuning = Tuning(self.model, Method(kind=kind), 1_000)  # type: ignore[arg-type]
        self.trained = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.AdamW(self.trained, lr=1e-5)
        self.vocab = config["vocab_size"]

    def step(self, seed: int) -> float:
        """Take a step; returns its duration in seconds."""
        torch.manual_seed(seed)
        ids = torch.randint(0, self.vocab, (32, 96))
        started = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16):
            logits: Tensor = self.model(ids, torch.ones_like(ids), torch.zeros_like(ids))
        (logits.float().pow(2).mean() + self.tuning.penalty()).backward()
        self.optimizer.step()
        self.tuning.after_step()
        self.optimizer.zero_grad(set_to_none=True)
        return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base-model", default="starter")
    parser.add_argument("--steps", type=int, default=8)
    arguments = parser.parse_args()
    steppers = {kind: Stepper(kind, arguments.base_model) for kind in KINDS}
    # In turns, so that other load affects all alike; the first round is a warm-up.
    times = [{kind: stepper.step(step) for kind, stepper in steppers.items()} for step in range(arguments.steps + 1)][
        1:
    ]
    rows = [
        {
            "method": kind,
            "trained parameters": sum(parameter.numel() for parameter in stepper.trained),
            "optimizer MB": sum(8 * parameter.numel() for parameter in stepper.trained) / 1e6,
            "step time against full": statistics.median(each[kind] / each["full"] for each in times),
        }
        for kind, stepper in steppers.items()
    ]
    print(f"| {' | '.join(rows[0])} |\n|{' --- |' * len(rows[0])}")
    for row in rows:
        print("| {} | {:,} | {:.1f} | {:.2f} |".format(*row.values()))
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
