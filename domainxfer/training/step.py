"""One training step, phase by phase.

    critic phase      adversarial(real, fake) + label(real, where known) + penalty    -> critic
    generator phase   adversarial(real, fake) + cycle + identity + simgan + yours     -> generator
                      or reconstruction + divergence of the latent (VAE)              -> generator with its encoder
    info phase        label(fake) + code(fake)                                        -> generator, critic's heads

The info phase rides on the generator's pass: the rest of the critic is frozen there, and the adversarial terms do not
reach its label and code heads, so one backward gives both their gradients. With an optimizer of its own (`info_lr`) it
is a pass of its own. Where all of the critic is to learn from it (`info_teaches`), it does so in its own phase, and
the generator in its. Where labels are known, the label head learns from reals alone unless the recipe says otherwise.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from domainxfer.datasets.batches import Batch, balanced_part
from domainxfer.errors import UsageError
from domainxfer.metrics.code_response import both_ends
from domainxfer.models.critic import View
from domainxfer.models.heads import redraw_heads
from domainxfer.models.networks import AnyCritic, AnyGenerator, NoCritic
from domainxfer.recipe import OptimizerSettings, Recipe
from domainxfer.training.forward import Forward
from domainxfer.training.passes import Pass, Scope
from domainxfer.training.processes import Processes
from domainxfer.training.terms import (
    OF_REALS,
    OF_THE_ENCODER,
    Phase,
    Term,
    build_terms,
    fakes_teach_labels,
    scores_reals_higher,
)


class Stepper:
    """The networks, their optimizers, and the step that trains them.

    Args:
        generator: G, on its device.
        critic: D, on its device.
        recipe: resolved.
        processes: who shares the batch.
        bf16: autocast to bf16.
    """

    def __init__(
        self, generator: AnyGenerator, critic: AnyCritic, recipe: Recipe, processes: Processes, *, bf16: bool
    ) -> None:
        self.generator, self.critic, self.recipe = generator, critic, recipe
        self.processes = processes
        self.forward = Forward(processes.device, bf16=bf16, replayed=recipe.training.cuda_graphs)
        self.terms: dict[Phase, list[Term]] = build_terms(recipe.objective)
        self._refuse_what_no_pass_has()
        self.critic_places = places_of_critic(recipe)
        settings = recipe.optimizer
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            "generator": _optimizer(generator.parameters(), settings.generator_lr, settings)
        }
        if not isinstance(critic, NoCritic):
            self.optimizers["critic"] = _optimizer(critic.parameters(), settings.critic_lr, settings)
        self.full_rates = {"generator": settings.generator_lr, "critic": settings.critic_lr}
        self.fakes_teach_labels = fakes_teach_labels(recipe)
        self.scores_reals_higher = scores_reals_higher(recipe)
        self.info_apart = settings.info_lr is not None and bool(self.terms["info"])
        self.critic_learns: tuple[Phase, ...] = ("critic",)
        if recipe.objective.info_teaches == "critic" and self.terms["info"]:
            self._refuse_to_teach_all_of_the_critic()
            self.critic_learns = ("critic", "info")
        if settings.info_lr is not None:
            players = [*generator.parameters(), *critic.info_parameters(label=self.fakes_teach_labels)]
            self.optimizers["info"] = _optimizer(players, settings.info_lr, settings)
            self.full_rates["info"] = settings.info_lr

    def __call__(self, batches: Sequence[Batch], step: int) -> dict[str, Tensor]:
        """Train on the batches of a step; return the parts of each phase's loss, and what tells health, by name.

        Args:
            batches: `Objective.batches_a_step` of them.
            step: its number.
        """
        self._set_rates(step)
        redraw_heads(self.generator, self.recipe.training.seed, step)
        parts: dict[str, Tensor] = {}
        generator_first = self.recipe.objective.order[0] == "generator"
        together: tuple[Phase, ...] = ("critic", "generator") if self.info_apart else ("critic", "generator", "info")
        last = self._pass(batches[-1], step, *(together[1:] if generator_first else together))
        for phase in self.recipe.objective.order:
            if phase == "generator":
                self._generator_phase(last, step, parts)
            elif self.recipe.objective.critic_steps:
                # Once the generator has moved, the fakes of its own phase are stale; and it may see more of the batch.
                shared = not generator_first and self.critic_places is None
                own = "critic" if generator_first else ""  # what the generator has just learned from is no news to it
                for batch in batches[: -1 if shared else None]:
                    p = self._pass(self._part(batch), step, *self.critic_learns, own=own)
                    self._critic_phase(p, step, parts, graph_is_used=False)
                if shared:
                    self._critic_phase(last, step, parts, graph_is_used=True)
        if self.info_apart:
            self._info_phase(self._pass(batches[-1], step, "info"), step, parts)
        return parts

    @torch.no_grad()
    def code_response(self, batch: Batch) -> Tensor:
        """Mean absolute change of a batch's fakes, pictures in [-1, 1], from -1 to 1 of one value of the code.

        The others are 0; the mean over the values of the code, of which the generator must have one or more.
        """
        p, training = self._pass(batch, 0), self.generator.training
        self.generator.eval()  # fakes for this figure leave no mark in a BatchNorm
        ends = both_ends(
            lambda code: p.with_code(code.to(p.device).expand(len(batch.x_real), -1), which="response"), p.code.shape[1]
        )
        change = torch.stack([(high - low).abs().mean() for low, high in ends]).mean()
        self.generator.train(training)
        return change

    def _refuse_to_teach_all_of_the_critic(self) -> None:
        if self.info_apart:
            raise UsageError(
                "objective.info_teaches: all of the critic learns in its own phase, and optimizer.info_lr makes one "
                "of the info losses; leave out one of them"
            )
        if not self.recipe.objective.critic_steps:
            raise UsageError("objective.info_teaches: with critic_steps 0 the critic has no phase to learn in")
        if not self.fakes_teach_labels:
            raise UsageError(
                "objective.info_teaches: all of the critic, its label head too, would learn from fakes; add --set "
                "'objective.label_head_learns=reals and fakes'"
            )

    def _refuse_what_no_pass_has(self) -> None:
        apart = self.recipe.optimizer.info_lr is not None
        for phase, terms in self.terms.items():
            for term in terms:
                missing: set[str] = set()
                if self.recipe.mode == "generate":
                    missing |= term.needs & {"x_source", "y_source", "x_same", "x_cycle"}
                else:
                    missing |= term.needs & {"noise"}
                if not self.recipe.critic.energy:
                    missing |= term.needs & {"fake_encodings"}
                if phase != "generator" or not self.recipe.generator.encoder:
                    missing |= term.needs & OF_THE_ENCODER
                if phase == "info" and apart:
                    missing |= {name for name in term.needs if name.startswith("real_")}
                if missing:
                    raise UsageError(
                        f"objective.{phase}.{term.name} asks for {', '.join(sorted(missing))}, which this run has not: "
                        "noise has no source, translation no noise, only a critic of energies has encodings, only the "
                        "generator phase with generator.encoder a latent, and a separate info phase (info_lr) no view "
                        "of the reals"
                    )

    # --- the phases --------------------------------------------------------------------------------------------------

    def _critic_phase(self, p: Pass, step: int, parts: dict[str, Tensor], *, graph_is_used: bool) -> None:
        self.critic.requires_grad_(True)
        p.reals_are_judged = any(term.needs & OF_REALS for term in self.terms["critic"] if term.weight_at(step))

        def x_fake() -> Tensor:
            # The generator phase goes on with these very fakes: their graph holds the generator only, which stays put.
            with torch.set_grad_enabled(graph_is_used):
                return p.x_fake.detach()

        def real_view() -> View:
            return p.view(p.batch.x_real, p.y_of_reals, "real, critic phase")

        scope = self._scope(p, x_fake, real_view, "fake, critic phase")
        seen = p.recipe.objective.critic_input
        as_it_is = not seen.augment and not seen.noise_at(step)
        if p.recipe.generator.code_size and p.reals_are_judged and as_it_is:
            p.own_code = scope["real_code"].detach().clamp(-1, 1)  # already here: spares the pass a forward
        total = torch.stack([self._total(phase, scope, step, parts) for phase in self.critic_learns]).sum()
        self._update(("critic",), total, parts)
        if scope.made("real_patches", "fake_patches"):
            real, fake = scope["real_patches"], scope["fake_patches"]
            with torch.no_grad():
                parts["score/real"] = torch.stack([s.mean() for s in real]).mean()
                parts["score/fake"] = torch.stack([s.mean() for s in fake]).mean()
                both = [torch.cat(pair) for pair in zip(real, fake, strict=True)]
                parts["score/spread"] = torch.stack([s.std() for s in both]).mean()
                if self.scores_reals_higher:
                    parts["told_apart"] = _told_apart(real, fake)

    def _generator_phase(self, p: Pass, step: int, parts: dict[str, Tensor]) -> None:
        self._freeze_critic()

        def real_view() -> View:
            with torch.no_grad():
                return p.view(p.batch.x_real, p.y_of_reals, "real")

        scope = self._scope(p, lambda: p.x_fake, real_view, "fake")
        total = self._total("generator", scope, step, parts)
        together = bool(self.terms["info"]) and not self.info_apart
        if together:
            total = total + self._total("info", scope, step, parts)
        self._update(("generator", "critic") if together and self.heads_learn else ("generator",), total, parts)
        critic_moved = self.recipe.objective.critic_steps and self.recipe.objective.order[0] == "critic"
        if critic_moved and scope.made("fake_patches"):
            with torch.no_grad():
                parts["score/fake_after"] = torch.stack([s.mean() for s in scope["fake_patches"]]).mean()
        if self.recipe.mode == "translate" and scope.made("x_fake"):
            parts["change"] = (p.x_fake.detach() - p.batch.x_source).abs().mean()

    def _info_phase(self, p: Pass, step: int, parts: dict[str, Tensor]) -> None:
        self._freeze_critic()
        scope = self._scope(p, lambda: p.x_fake, lambda: None, "fake")
        self._update(("info",), self._total("info", scope, step, parts), parts)

    # --- their parts -------------------------------------------------------------------------------------------------

    def _pass(self, batch: Batch, step: int, *phases: Phase, own: str = "") -> Pass:
        """What the networks make of a batch; x_same is made only where a term of these phases asks for it now."""
        terms = [term for phase in phases for term in self.terms[phase]]
        same = any("x_same" in term.needs and term.weight_at(step) for term in terms)
        return Pass(self.generator, self.critic, batch, self.recipe, self.processes, self.forward, same=same, own=own)

    def _part(self, batch: Batch) -> Batch:
        """What the critic learns from in a step of its own."""
        return batch if self.critic_places is None else batch.part(self.critic_places)

    def _scope(self, p: Pass, x_fake, real_view, which_fake: str) -> Scope:  # type: ignore[no-untyped-def]
        """What terms may ask for; nothing is computed before one does."""
        batch, shape = p.batch, tuple(p.batch.x_real.shape[1:])
        scope = Scope(
            {
                "real_view": real_view,
                "fake_view": lambda: p.view(scope["x_fake"], p.y_target, which_fake),
                "x_real": lambda: batch.x_real,
                "y_real": lambda: p.y_of_reals,
                "y_known": lambda: torch.full_like(batch.y_real, -1) if batch.y_known is None else batch.y_known,
                "x_source": lambda: batch.x_source,
                "y_source": lambda: batch.y_source,
                "y_target": lambda: p.y_target,
                "code": lambda: p.code,
                "noise": lambda: p.noise,
                "x_fake": x_fake,
                "x_other": lambda: p.x_other,
                "x_same": lambda: p.x_same,
                "x_cycle": lambda: p.x_cycle,
                "x_rebuilt": lambda: p.x_rebuilt,
                "latent_mean": lambda: p.latent[0],
                "latent_log_variance": lambda: p.latent[1],
                "fake_encodings": lambda: p.encodings(scope["x_fake"]),
                "real_patches": lambda: scope["real_view"].patches,
                "fake_patches": lambda: scope["fake_view"].patches,
                "real_label_logits": lambda: scope["real_view"].label_logits,
                "fake_label_logits": lambda: scope["fake_view"].label_logits,
                "real_code": lambda: scope["real_view"].code,
                "fake_code": lambda: scope["fake_view"].code,
                "first_look_logits": lambda: p.looks[0].all_label_logits,
                "second_look_logits": lambda: p.looks[1].all_label_logits,
                "critic": lambda: p.score,
                "enter": lambda: self.critic.enter,
                "uniform_like_x": lambda: p.drawn("penalty", "uniform", *shape),
                "uniform_a_picture": lambda: p.drawn("penalty place", "uniform", 1, 1, 1),
            }
        )
        return scope

    def _total(self, phase: Phase, scope: Scope, step: int, parts: dict[str, Tensor]) -> Tensor:
        total = torch.zeros((), device=self.processes.device)
        for term in self.terms[phase]:
            weight = term.weight_at(step)
            if weight:
                value = term(_Gathered(scope, self.processes) if term.couples_batch else scope)
                parts[f"{phase}/{term.name}"] = value.detach()
                total = total + weight * value
        return total

    @property
    def heads_learn(self) -> bool:
        """Whether the critic's heads learn in the phase of the info losses, and not with all of it in its own."""
        return "info" not in self.critic_learns

    def _freeze_critic(self) -> None:
        self.critic.requires_grad_(False)
        if not self.heads_learn:
            return
        for parameter in self.critic.info_parameters(label=self.fakes_teach_labels):
            parameter.requires_grad_(True)

    def _update(self, players: tuple[str, ...], total: Tensor, parts: dict[str, Tensor]) -> None:
        if not total.requires_grad:
            return  # every term of the phase is at weight 0
        networks: list[nn.Module] = [self.generator, self.critic]
        for network in networks:
            network.zero_grad(set_to_none=True)
        total.backward()
        for network in networks:
            self.processes.average_gradients(list(network.parameters()))
        if "generator" in players:
            parts["gradient/generator"] = _gradient_norm(self.generator)
        if self.recipe.optimizer.clip is not None:
            for network in networks:
                nn.utils.clip_grad_norm_(network.parameters(), self.recipe.optimizer.clip)
        for player in players:
            self.optimizers[player].step()
        limit = self.recipe.optimizer.clip_weights
        if limit is not None and "critic" in players:
            with torch.no_grad():
                for parameter in self.critic.parameters():
                    parameter.clamp_(-limit, limit)

    def _set_rates(self, step: int) -> None:
        share = self.recipe.optimizer.rate_at(step, self.recipe.training.steps)
        for name, optimizer in self.optimizers.items():
            for group in optimizer.param_groups:
                group["lr"] = self.full_rates[name] * share


def places_of_critic(recipe: Recipe) -> list[int] | None:
    """Places in the global batch of what the critic's own steps learn from; None where that is all of it."""
    batch, size = recipe.data.batch, recipe.objective.critic_batch
    if size is None or size == batch:
        return None
    return balanced_part(batch, size, recipe.critic.labels if recipe.critic.patch_labels else 0)


def _told_apart(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
    """Share of all pairs of a real and a fake picture in which the real one scores higher: .5 is chance, 1 a perfect
    critic. A picture's score is the mean of its patches and views (each view (B, P)).
    """
    r, f = (torch.stack([view.mean(1) for view in views]).mean(0) for views in (real, fake))
    return (r[:, None] - f).sign().mean() / 2 + 0.5


def _gradient_norm(network: nn.Module) -> Tensor:
    """Of all parameters together, before any clipping."""
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    return torch.stack(torch._foreach_norm(gradients)).norm() if gradients else torch.zeros(())


def _optimizer(parameters: Iterable[nn.Parameter], rate: float, settings: OptimizerSettings) -> torch.optim.Optimizer:
    if settings.kind == "rmsprop":
        return torch.optim.RMSprop(parameters, rate)
    return torch.optim.Adam(parameters, rate, betas=settings.betas, fused=True)


class _Gathered(Scope):
    """A scope whose tensors are those of the whole batch, all processes together."""

    def __init__(self, scope: Scope, processes: Processes) -> None:
        def gathered(name: str) -> object:
            value = scope[name]
            if isinstance(value, Tensor):
                return processes.gather(value)
            return tuple(processes.gather(v) for v in value) if isinstance(value, tuple) else value

        super().__init__({name: lambda name=name: gathered(name) for name in scope})  # type: ignore[misc]
