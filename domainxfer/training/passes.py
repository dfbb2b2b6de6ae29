"""One batch seen by both networks: what terms may ask for, computed when first asked for, and once.

    x_fake   G(x_source, y_target, code)                    or G(noise, y_target, code) where content is noise
    x_other  G(x_source, y_target, code with one value moved by 1)    or of noise
    x_same   G(x_real, y_real, code the critic finds in x_real)       through G in one batch with x_fake
    x_cycle  G(x_fake, y_source, code the critic finds in x_source)
    x_rebuilt  G(a draw from the latent of x_real, y_real, code the critic finds in x_real)    where G has an encoder

Identity, cycle and what is rebuilt get the critic's estimate of the picture's own code: a random one would teach G to
ignore codes.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from domainxfer.datasets.batches import Batch
from domainxfer.draws import draw, per_position
from domainxfer.models.blocks import forgetting
from domainxfer.models.critic import View
from domainxfer.models.layered import LayeredCritic
from domainxfer.models.networks import AnyCritic, AnyGenerator
from domainxfer.models.several import Critics
from domainxfer.on_device import on_device
from domainxfer.recipe import Recipe
from domainxfer.training.critic_input import as_critic_sees
from domainxfer.training.forward import Forward
from domainxfer.training.looks import NUMBERS, looked_at
from domainxfer.training.processes import Processes


class Scope(Mapping[str, Any]):
    """Named values that are made when first asked for, and kept."""

    def __init__(self, makers: Mapping[str, Callable[[], Any]]) -> None:
        self._makers, self._made = dict(makers), dict[str, Any]()

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = self._makers[name]()
        return self._made[name]

    def made(self, *names: str) -> bool:
        """Whether all of these were asked for."""
        return self._made.keys() >= set(names)

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


class Pass:
    """What the two networks make of one batch.

    Args:
        generator: G.
        critic: D.
        batch: this process's share of the data.
        recipe: sizes and seed.
        processes: for what couples the whole batch.
        forward: calls the networks.
        same: whether any term asks for x_same, which then shares a forward with x_fake.
        own: name of a phase whose noise and code are its own; passes of a batch without one share theirs.
    """

    def __init__(
        self,
        generator: AnyGenerator,
        critic: AnyCritic,
        batch: Batch,
        recipe: Recipe,
        processes: Processes,
        forward: Forward,
        *,
        same: bool,
        own: str = "",
    ) -> None:
        self.generator, self.critic, self.batch, self.recipe = generator, critic, batch, recipe
        self.processes, self.forward, self.same, self.own = processes, forward, same, own
        self.device = batch.x_real.device
        self.reals_are_judged = False
        """Whether D sees this batch's reals as they are, too; the critic phase knows."""
        self.labels_known = recipe.critic.patch_labels and recipe.critic.labels > 0

    # --- drawn from (seed, step, position) ---------------------------------------------------------------------------

    def drawn(self, purpose: str, kind: str, *shape: int, step: int | None = None) -> Tensor:
        """Numbers of ``kind`` for each picture of this share, (b, *shape); of this batch's step, or of another."""
        seed, step = self.recipe.training.seed, self.batch.step if step is None else step
        return on_device(per_position(kind, shape, seed, purpose, step, self.batch.positions), self.device)

    @property
    def content_number(self) -> int:
        """Which content this batch has: as many batches as `objective.reuse` says share theirs."""
        return self.batch.step // self.recipe.objective.reuse

    @cached_property
    def y_target(self) -> Tensor | None:
        """(b,) label that each fake is given: that of the real beside it; drawn evenly where labels are unknown."""
        labels = self.recipe.generator.labels
        if not labels:
            return None
        if self.labels_known:
            return self.batch.y_real
        number, batch = self.content_number, self.recipe.data.batch
        shuffled = draw(self.recipe.training.seed, "labels", number).permutation(batch)
        whole = (number * batch + shuffled) % labels  # a surplus, or a batch smaller than K, moves on from step to step
        return on_device(torch.from_numpy(whole[self.batch.positions]), self.device)

    @cached_property
    def code(self) -> Tensor:
        """(b, code_size), uniform in [-1, 1]."""
        return self.drawn(f"code{self.own}", "symmetric", self.recipe.generator.code_size, step=self.content_number)

    @cached_property
    def other_code(self) -> Tensor:
        """(b, code_size): the code with one of its values, drawn for each picture, moved by 1, half its range.

        It goes up or down, whichever stays in [-1, 1], so that both codes are uniform there.
        """
        place = (self.drawn("other code", "uniform", 1) * self.code.shape[1]).long()
        value = self.code.gather(1, place)
        return self.code.scatter(1, place, torch.where(value < 0, value + 1, value - 1))

    @cached_property
    def noise(self) -> Tensor:
        """(b, noise_size), where that is the content."""
        settings = self.recipe.generator
        return self.drawn(f"noise{self.own}", settings.noise_kind, settings.noise_size, step=self.content_number)

    # --- the generator's side ----------------------------------------------------------------------------------------

    @cached_property
    def x_fake(self) -> Tensor:
        """(b, C, H, W), with the generator's graph."""
        return self._translated[0]

    @cached_property
    def x_other(self) -> Tensor:
        """(b, C, H, W): the fakes as another code makes them."""
        return self.with_code(self.other_code, which="other")

    @cached_property
    def x_same(self) -> Tensor:
        """(b, C, H, W): the real pictures, asked to become what they are."""
        same = self._translated[1]
        if same is None:
            raise RuntimeError("x_same was asked for, but the pass was made with same=False")
        return same

    @cached_property
    def x_cycle(self) -> Tensor:
        """(b, C, H, W): the fakes, translated back.

        A generator likes to hide the source in its fake as an invisible pattern (Chu et al. 2017). With `cycle_noise`
        the pattern drowns, and the way back must be found from what can be seen. The noise is in what G looks at, not
        in what its change is added to: taking noise off again is not to be learned.
        """
        code = self.source_code
        sigma = self.recipe.objective.cycle_noise
        if not sigma:
            return self.generate(self.x_fake, self.batch.y_source, code, which="cycle")
        noise = sigma * self.drawn("cycle", "normal", *self.x_fake.shape[1:])
        x_cycle = self.generate(self.x_fake + noise, self.batch.y_source, code, which="cycle")
        return x_cycle - noise if self.recipe.generator.output == "change" else x_cycle

    @cached_property
    def latent(self) -> tuple[Tensor, Tensor]:
        """Mean and log variance, both (b, noise_size), of the noise that the encoder finds behind x_real."""
        if self.generator.encoder is None:
            raise RuntimeError("a latent was asked for, but the generator has no encoder")
        mean, log_variance = self.forward(self.generator.encoder, self.batch.x_real, which="latent")
        return mean, log_variance

    @cached_property
    def x_rebuilt(self) -> Tensor:
        """(b, C, H, W): the real pictures, made again of noise drawn from their latent.

        z = mean + deviation * e with e from N(0, 1), so that gradients reach the encoder (Kingma & Welling 2014, 2.4).
        """
        mean, log_variance = self.latent
        noise = mean + (0.5 * log_variance).exp() * self.drawn("latent", "normal", mean.shape[1])
        return self.generate(noise, self.y_of_reals, self.own_code, which="rebuilt")

    @cached_property
    def _translated(self) -> tuple[Tensor, Tensor | None]:
        batch = self.batch
        if not self.same or self.recipe.mode == "generate":
            return self.with_code(self.code, which="fake"), None
        both = self.generate(
            torch.cat([batch.x_source, batch.x_real]),
            torch.cat([batch.y_real, batch.y_real]),
            torch.cat([self.code, self.own_code]),
            which="fake and same",
        )
        x_fake, x_same = both.chunk(2)
        return x_fake, x_same

    def with_code(self, code: Tensor, which: str) -> Tensor:
        """What the fakes are with a code (b, code_size) for each: (b, C, H, W)."""
        content = self.noise if self.recipe.mode == "generate" else self.batch.x_source
        return self.generate(content, self.y_target, code, which)

    def generate(self, content: Tensor, label: Tensor | None, code: Tensor, which: str) -> Tensor:
        """G(content, label, code); each ``which`` lasts until the next of its name (see `Forward`)."""
        image: Tensor = self.forward(self.generator, content, label, code, which=which)
        return image

    # --- the critic's side -------------------------------------------------------------------------------------------

    @cached_property
    def own_code(self) -> Tensor:
        """(b, code_size): the critic's estimate of the code of x_real, without gradients."""
        if not self.recipe.generator.code_size:
            return self.code  # empty
        with torch.no_grad():
            return self._judged(self.batch.x_real, self.y_of_reals, "own code").code.clamp(-1, 1)

    @cached_property
    def source_code(self) -> Tensor:
        """(b, code_size): the same of x_source; where the sources are reals of this batch, what is known of those."""
        if not self.recipe.generator.code_size:
            return self.code  # empty
        if self.batch.sources is not None:
            return self.processes.gather(self.own_code)[on_device(torch.tensor(self.batch.sources), self.device)]
        with torch.no_grad():
            return self._judged(self.batch.x_source, self.batch.y_source, "source code").code.clamp(-1, 1)

    @property
    def y_of_reals(self) -> Tensor | None:
        """(b,) labels of the reals, or None where they are unknown."""
        return self.batch.y_real if self.labels_known else None

    def view(self, image: Tensor, label: Tensor | None, which: str) -> View:
        """D of the image as the critic sees it, patches scored for ``label``; each ``which`` has draws of its own."""
        settings = self.recipe.objective.critic_input
        step = self.batch.step // self.recipe.objective.batches_a_step  # batches are counted on over all critic steps
        seen = as_critic_sees(image, settings, step, self.drawn, which)
        with forgetting(self.critic) if which.startswith("fake") else nullcontext():
            return self._judged(seen, label, which)

    def _judged(self, image: Tensor, label: Tensor | None, which: str) -> View:
        answer: View = self.forward(self.critic, image, label if self.labels_known else None, which=which)
        return answer

    @cached_property
    def looks(self) -> tuple[View, View]:
        """What D says of two looks at each real picture (`training/looks.py`).

        Where reals are judged too, BatchNorm's running statistics are theirs alone: labels are told by them later.
        """
        settings = self.recipe.objective.looks
        first, second = (
            looked_at(self.batch.x_real, settings, self.drawn(f"{which} look", "symmetric", NUMBERS))
            for which in ("first", "second")
        )
        with forgetting(self.critic) if self.reals_are_judged else nullcontext():
            label = self.y_of_reals
            return self._judged(first, label, "first look"), self._judged(second, label, "second look")

    def encodings(self, image: Tensor) -> Tensor:
        """(b, S) what the encoder of a critic of energies makes of fakes, as they are."""
        if not isinstance(self.critic, LayeredCritic | Critics):
            raise TypeError("only a critic of layers has an encoder")
        with forgetting(self.critic):
            return self.critic.encode(image)

    def score(self, seen: Tensor, label: Tensor | None, *, patchwise: bool = False) -> Tensor:
        """(b,) mean patch score of each picture, in fp32, from what the critic sees of it: for gradient penalties.

        With ``patchwise`` the sum of its P scores over sqrt(P), at each field of view.
        """
        with forgetting(self.critic):
            patches = self.critic.judge(seen, label if self.labels_known else None).patches
        return torch.stack([p.mean(1) * (p.shape[1] ** 0.5 if patchwise else 1.0) for p in patches]).mean(0)
