"""One step over eight rows with each method, in as many processes as torchrun starts; the first tells the norms."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch
from conftest import gradients_of_eight  # found beside this script

from ladle_adversarial.adversarial import Adversarial


def main(folder: Path, batch_size: int, accumulate: int) -> None:
    norms = []
    for method in ("fgm", "pgd", "free-lb", "smoothness"):
        technique = Adversarial.model_validate({"method": method})
        found = gradients_of_eight(folder, [technique], batch_size=batch_size, accumulate=accumulate)
        norms.append(torch.stack([gradient.norm() for gradient in found.values()]).norm().item())
    if os.environ.get("RANK", "0") == "0":
        print("norms", norms, flush=True)
    if torch.distributed.is_initialized():
        torch.distributed.barrier()
        os._exit(0)  # gloo may abort where its threads outlive the interpreter


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
