"""Plan + prepared manifest → a trained network: the loop, step by step, that can be killed anywhere and resumed.

Everything random follows from the seed, the stage and the step (and the process, where there are several), so a
checkpoint needs no generator's state: the weights, the optimiser and the place are enough for the same next losses.
Several GPUs share the work through `accelerate`: each has its share of one batch, and all are told apart from all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs
from tensorboardX import SummaryWriter
from torch import Tensor

from encoders.engines import Domain
from encoders.prepared import Prepared
from encoders.training import checkpoint
from encoders.training.checkpoint import CHECKPOINT, LOSSES, Kept, LossLog, Standing
from encoders.training.network_losses import Sharpness
from encoders.training.pixels import PixelSource, tokens_of
from encoders.training.plan import PlanError, Stage, TrainPlan
from encoders.training.rates import share_of_peak
from encoders.training.samples import Batching, Drawn, Inputs, Sampler, TokenSource, TooFew
from encoders.training.spread import gathered, scaled
from encoders.training.terms import Weighing, margin_loss, terms_of
from encoders.training.trained import begin, finish, identity, words_of
from encoders.training.trainee import Trainee, side_of
from encoders.training.validation import Recall, recall_of

RUN, LOGS = "run", "logs"
"""Of the output folder: what only the run itself needs, and in it the plots for TensorBoard."""
PLOTTED_EVERY = 10


@dataclass(frozen=True, slots=True)
class Told:
    """What one step came to."""

    stage: int
    step: int
    steps: int
    """Of this stage."""
    loss: float
    recall: Recall | None = None
    """Where the validation split was looked at after this step."""


class Trainer:
    """One run of one plan, from where its folder says that it stands."""

    def __init__(self, plan: TrainPlan, prepared: Prepared, media: Path, out: Path, cpu: bool = False) -> None:
        """``media``: what the manifest's paths are relative to; ``cpu``: even where there is a GPU.

        Raises `PlanError`, `TooFew`, `OtherRun`, `DamagedCheckpoint`; `MissingModel`, `BrokenModel` of the network that
        is begun from.
        """
        self._plan, self._views, self._tokens, self._out = plan, prepared.views, prepared.tokens, out
        self._begun = begin(plan)
        _refuse_foreign(plan, prepared, self._begun.config.tower, self._begun.config.shape.vision_dim)
        self._cpu = cpu
        self._accelerator = _accelerator(cpu)
        batchings = (_batching(plan, number, self._accelerator.num_processes) for number in range(len(plan.stages)))
        self._samplers = [Sampler(prepared.views, "train", each) for each in batchings]
        try:
            self._valid: Sampler | None = Sampler(prepared.views, "valid", Batching(2, together=False))
        except TooFew:
            self._valid = None
        self._identity = identity(plan) | {"manifest": _digest(prepared)}
        (out / RUN).mkdir(parents=True, exist_ok=True)
        self._kept = checkpoint.read(out / RUN / CHECKPOINT, self._identity)
        self.standing = self._kept.standing if self._kept else Standing()
        self._words = words_of([view.text or "" for view in prepared.views], self._begun)
        self._pixels = PixelSource(prepared.views, media, self._begun.config.pixels, plan.loaders)
        self.trainee = Trainee(self._begun.network, self.products if plan.classifier else 0)
        """What is trained, to be looked at."""
        self._weighing = _weighing(plan)
        self._optimiser: Any = None
        self._model: Any = None

    @property
    def space(self) -> str:
        """The name of the space that is trained."""
        return self._plan.space

    @property
    def products(self) -> int:
        """How many products are trained on."""
        return len(self._samplers[0].products)

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes and speaks."""
        return bool(self._accelerator.is_main_process)

    def steps(self) -> Iterator[Told]:
        """Train to the end and write the network; after each step, which is then told, `save` may be called.

        Raises `Unreadable`, OSError where media or the folder fail; the next run resumes from the last checkpoint.
        """
        if self._kept:
            self.trainee.load_state_dict(self._kept.trainee)
        log = LossLog(self._out / RUN / LOSSES, self.standing) if self.first else None
        with SummaryWriter(str(self._out / RUN / LOGS), purge_step=self._overall, write_to_disk=self.first) as plots:
            while self.standing.stage < len(self._plan.stages):
                for told in self._stage(self._plan.stages[self.standing.stage]):
                    if log:
                        log.tell(_line(told))
                    self._plot(plots, told)
                    yield told
                self._end_stage()
        if log:
            self._finish(log.last())

    def save(self) -> None:
        """Keep where the run stands, in place of the checkpoint before."""
        if self.first:
            optimiser = self._optimiser.state_dict() if self._optimiser is not None else None
            kept = Kept(self.standing, self.trainee.state_dict(), optimiser)
            checkpoint.save(self._out / RUN / CHECKPOINT, kept, self._identity)

    def _stage(self, stage: Stage) -> Iterator[Told]:
        self._begin_stage(stage)
        number = self.standing.stage
        while self.standing.step < stage.steps:
            step = self.standing.step
            torch.manual_seed(_seed(self._plan.seed, number, step, self._accelerator.process_index))
            loss = self._step(stage, step)
            self.standing = Standing(number, step + 1)
            recall = self._look() if self._looks(stage, step + 1) else None
            if (step + 1) % self._plan.save_every == 0:
                self.save()
            yield Told(number, step, stage.steps, loss, recall)

    def _begin_stage(self, stage: Stage) -> None:
        self.trainee.to(self._accelerator.device)
        if not stage.pixels and any(before.pixels for before in self._plan.stages[: self.standing.stage]):
            self._tokens = tokens_of(self.trainee.vision, self._pixels, self._views, self._plan.batch)
        groups = self.trainee.groups(stage)
        self.trainee.zero_grad(set_to_none=True)  # those of the stage before would count in the clipping
        self.trainee.train()
        optimiser = torch.optim.AdamW(groups, weight_decay=self._plan.decay)
        self._accelerator = _accelerator(self._cpu)  # a new one, since it holds what it has prepared
        self._model, self._optimiser = self._accelerator.prepare(self.trainee, optimiser)
        if self._kept and self._kept.optimiser:
            self._optimiser.load_state_dict(self._kept.optimiser)
        self._kept = None

    def _end_stage(self) -> None:
        self._model = self._optimiser = None
        self.standing = Standing(self.standing.stage + 1)
        self.save()

    def _step(self, stage: Stage, step: int) -> float:
        """One step of the optimiser over the accumulated batches; their mean loss."""
        share = share_of_peak(step, step / stage.steps, stage.warm_up)
        for group in self._optimiser.param_groups:
            group["lr"] = group["peak"] * share
        self._optimiser.zero_grad(set_to_none=True)
        total, parts = 0.0, self._plan.accumulation
        for part in range(parts):
            drawn = self._samplers[self.standing.stage].draw(step * parts + part)
            last = part + 1 == parts
            with nullcontext() if last else self._accelerator.no_sync(self._model):
                loss = self._loss(stage, drawn) / parts
                self._accelerator.backward(scaled(self._accelerator, loss))
            total += float(loss.detach())
        self._accelerator.clip_grad_norm_(self.trainee.parameters(), self._plan.clip)
        self._optimiser.step()
        return total

    def _loss(self, stage: Stage, drawn: Drawn) -> Tensor:
        """The loss of a batch of all processes, in float32 whatever the forward pass computes in."""
        share = drawn.share(self._accelerator.process_index, self._accelerator.num_processes)
        with torch.autocast(self._accelerator.device.type, torch.bfloat16, self._plan.precision == "bfloat16"):
            own = self._model(self._inputs(stage, share), stage.objective == "fuse")
        found = gathered(self._accelerator, {name: _exact(value) for name, value in own.items()})
        sides = {domain: side_of(found, domain) for domain in Domain}
        alike = self._samplers[self.standing.stage].alike(drawn.products).to(self._accelerator.device)
        terms = list(terms_of(sides, alike, self._weighing).values())
        margin = self._plan.classifier
        if margin is not None and stage.objective == "fuse":
            target = torch.from_numpy(drawn.products).to(self._accelerator.device)
            for domain, side in sides.items():
                cosines = found[f"{domain}/cosines"][side.there]
                apart = margin_loss(cosines, target[side.there], margin.scale, margin.margin)
                terms.append(margin.weight / len(sides) * apart)
        return torch.stack(terms).sum()

    def _inputs(self, stage: Stage, drawn: Drawn) -> dict[Domain, Inputs]:
        if stage.pixels:
            return self._pixels.inputs(drawn, self._words, self._accelerator.device)
        return self._source().inputs(drawn)

    def _source(self) -> TokenSource:
        return TokenSource(self._tokens, self._words, self._accelerator.device)

    def _looks(self, stage: Stage, done: int) -> bool:
        """Whether to look at the validation split now; a stage of pixels has no tokens of the tower as it is."""
        due = done % self._plan.validate_every == 0 or done == stage.steps
        return due and stage.objective == "fuse" and not stage.pixels and self._valid is not None

    def _look(self) -> Recall | None:
        assert self._valid is not None
        recall = recall_of(self.trainee.fusion, self._valid, self._source())
        self.trainee.train()
        return recall

    @property
    def _overall(self) -> int:
        """Steps done in all stages."""
        return sum(stage.steps for stage in self._plan.stages[: self.standing.stage]) + self.standing.step

    def _plot(self, plots: SummaryWriter, told: Told) -> None:
        if told.step % PLOTTED_EVERY == 0 or told.step + 1 == told.steps:
            plots.add_scalar("loss", told.loss, self._overall)
            for group in self._optimiser.param_groups:
                plots.add_scalar(f"rate/{group['part']}", group["lr"], self._overall)
        if told.recall:
            plots.add_scalar("valid/live_to_page_r1", told.recall.r1, self._overall)

    def _finish(self, last: Mapping[str, object]) -> None:
        run = {
            "manifest": self._identity["manifest"],
            "views": len(self._views),
            "products": self.products,
            "processes": self._accelerator.num_processes,
            "last": dict(last),
        }
        self._begun.network.cpu()
        finish(self._begun, self._plan, run, self._out)


def _weighing(plan: TrainPlan) -> Weighing:
    """Which terms a plan wants, what each counts and how it presses."""
    weights, smoothing = plan.weights, plan.smoothing
    fused_smoothing = smoothing if plan.fused_smoothing is None else plan.fused_smoothing
    return Weighing(
        plan.terms,
        weights.fused,
        weights.modality,
        weights.cross,
        Sharpness(plan.temperature, smoothing),
        Sharpness(plan.temperature, fused_smoothing, plan.own_spare),
    )


def _line(told: Told) -> dict[str, object]:
    recall = {"valid_live_to_page_r1": told.recall.r1} if told.recall else {}
    return {"stage": told.stage, "step": told.step, "loss": told.loss, **recall}


def _accelerator(cpu: bool) -> Accelerator:
    return Accelerator(cpu=cpu, kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)])


def _exact(value: Tensor) -> Tensor:
    return value.float() if value.is_floating_point() else value


def _batching(plan: TrainPlan, stage: int, processes: int) -> Batching:
    seed = _seed(plan.seed, stage)
    return Batching(plan.batch, plan.together == "families", plan.blind, plan.mute, seed, processes)


def _seed(*parts: int) -> int:
    """One seed that follows from these numbers."""
    return int.from_bytes(sha256(" ".join(map(str, parts)).encode()).digest()[:4], "big")


def _digest(prepared: Prepared) -> str:
    """A checksum of the data: views, texts and which tower saw them."""
    told = sha256(f"{prepared.tower} {prepared.tokens.shape}".encode())
    for view in prepared.views:
        told.update(view.model_dump_json().encode())
    return told.hexdigest()


def _refuse_foreign(plan: TrainPlan, prepared: Prepared, tower: str, dim: int) -> None:
    """The prepared tokens have to be this tower's, unless the first stage trains it from pixels."""
    if plan.stages[0].pixels:
        return
    if "vision" in plan.untrained:
        raise PlanError("untrained: a vision tower that begins anew has to be trained first: stages.0.pixels = true")
    if prepared.tower != tower or prepared.tokens.shape[2] != dim:
        raise PlanError(
            f"the manifest was prepared with the tower {prepared.tower!r}, {prepared.tokens.shape[2]} numbers a token, "
            f"and start holds {tower!r}, {dim}; prepare it with the same network"
        )
