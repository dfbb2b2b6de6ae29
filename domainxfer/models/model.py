"""A trained model: networks that know their own architecture and domains, saved as a folder of plain files.

    model/ model.safetensors   the generator (its moving average)
           critic.safetensors  optional: labels pictures, estimates codes, lets others go on training
           config.json         architecture, domains, size, versions
           README.md           the model card

Nothing here is ever unpickled.
"""

import json
from pathlib import Path
from typing import Self

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as serialize
from torch import Tensor, nn

from domainxfer.errors import DomainxferError, UsageError, did_you_mean
from domainxfer.files import explain_os_error, write_text, written_whole
from domainxfer.models.config import FORMAT, ModelConfig
from domainxfer.models.critic import View
from domainxfer.models.networks import AnyCritic, AnyGenerator, new_critic, new_generator
from domainxfer.models.precision import autocast, pays_bf16


class NetworkModel:
    """A generator, perhaps its critic, and what their labels mean; everything on tensors.

    `domainxfer.loaded.Model` adds pictures to it.
    """

    def __init__(self, config: ModelConfig, generator: AnyGenerator, critic: AnyCritic | None = None) -> None:
        self.config, self.generator, self.critic = config, generator.eval(), critic  # the critic may still be training
        self.device = torch.device("cpu")

    @property
    def domains(self) -> tuple[str, ...]:
        """Names of the domains; the label of a domain is its index."""
        return self.config.domains

    @property
    def multiple(self) -> int:
        """Height and width given to `apply` must be multiples of this."""
        return self.generator.multiple

    @property
    def reach(self) -> int:
        """How far from a pixel the picture can still matter to what becomes of it, px."""
        return self.generator.reach

    def label_of(self, domain: str) -> int:
        """The label of a domain.

        Raises:
            UsageError: the model does not know it; the message lists those it knows.
        """
        if not isinstance(domain, str):
            raise UsageError(f"a domain is meant by its name, one of {', '.join(self.domains)}; {domain!r} is none")
        if domain not in self.domains:
            hint = did_you_mean(domain, list(self.domains))
            raise UsageError(f"this model knows no domain {domain!r}; it knows {', '.join(self.domains)}.{hint}")
        return self.domains.index(domain)

    def to(self, device: str | torch.device) -> Self:
        """Move the networks to a device and return the model."""
        self.device = torch.device(device)
        for network in (self.generator, self.critic):
            if network is not None:
                network.to(device=self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return self

    @torch.inference_mode()
    def apply(self, content: Tensor, label: Tensor | None, code: Tensor | None = None) -> Tensor:
        """Images in [-1, 1] from pictures (B, 3, H, W) in [-1, 1] or noise, labels (B,) and codes (B, code_size)."""
        return self.apply_with_gain(content, label, code)[0]

    @torch.inference_mode()
    def apply_with_gain(
        self, content: Tensor, label: Tensor | None, code: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """As `apply`, and the gain of the finest detail (B, 1, H, W) in [-1, 1], where the generator has gains.

        What is finer still than what the generator was shown had better be weakened or strengthened alike; not so
        where its detail ends at edges, since at that scale edges are what there is.
        """
        content = content.to(self.device)
        if content.ndim == 4:
            content = content.contiguous(memory_format=torch.channels_last)
        label, code = (None if t is None else t.to(self.device) for t in (label, code))
        with autocast(self.device, pays_bf16(self.device)):
            image, gains = self.generator.with_gains(content, label, code)
        no_gain = gains.shape[1] == 0 or self.config.generator.edges > 0
        return image.clamp(-1, 1), None if no_gain else gains[:, :1].clamp(-1, 1)

    @torch.inference_mode()
    def rebuild(self, picture: Tensor, label: Tensor | None = None) -> Tensor:
        """Pictures (B, C, size, size) in [-1, 1] again, made of the mean of what the encoder finds behind each.

        Args:
            picture: of the size and channels of training.
            label: (B,) int64, where the generator has labels.

        Raises:
            DomainxferError: the model was trained without an encoder.
        """
        if self.generator.encoder is None:
            raise DomainxferError("this model has no encoder (generator.encoder), so it cannot rebuild a picture")
        with autocast(self.device, pays_bf16(self.device)):
            mean, _ = self.generator.encoder(picture.to(self.device))
        return self.apply(mean, label)

    @torch.inference_mode()
    def estimate_code(self, image: Tensor) -> Tensor:
        """The critic's estimate of the code of images (B, 3, H, W): (B, code_size) in [-1, 1].

        Raises:
            DomainxferError: the model was saved without its critic.
        """
        return self._judge(image).code.clamp(-1, 1)

    @torch.inference_mode()
    def label_probabilities(self, image: Tensor) -> Tensor:
        """Probability of each label for images (B, 3, H, W): (B, K), by the critic's label head.

        Raises:
            DomainxferError: the model was saved without its critic.
        """
        return self._judge(image).label_logits.softmax(dim=1)

    @torch.inference_mode()
    def score(self, image: Tensor, label: Tensor) -> Tensor:
        """How real images (B, 3, H, W) look for labels (B,) to the critic: (B,), the mean of its patches and views.

        Raises:
            DomainxferError: the model was saved without its critic.
        """
        return torch.stack([patches.mean(1) for patches in self._judge(image, label).patches]).mean(0)

    @torch.inference_mode()
    def whole_score(self, image: Tensor, label: Tensor | None = None) -> Tensor:
        """How real images (B, C, H, W) look to the critic as wholes: (B,), the mean of its scores of the whole picture.

        Scores of patches count only where there are no others: a picture of patches that are all likely may be none.

        Raises:
            DomainxferError: the model was saved without its critic.
        """
        views = self._judge(image, label).patches
        whole = [scores for scores in views if scores.shape[1] == 1] or views
        return torch.stack([scores.mean(1) for scores in whole]).mean(0)

    def _judge(self, image: Tensor, label: Tensor | None = None) -> View:
        if self.critic is None:
            raise DomainxferError("this model was saved without its critic (critic.safetensors), which this needs")
        image = image.to(self.device)
        if label is None:  # whose patches does not matter then
            label = torch.zeros(len(image), dtype=torch.int64)
        training = self.critic.training
        self.critic.eval()  # in training BatchNorm and spectral norm would remember, and a picture alone be refused
        try:
            with autocast(self.device, pays_bf16(self.device)):
                answer: View = self.critic(image, label.to(self.device))
        finally:
            self.critic.train(training)
        return answer

    def save(self, folder: Path, card: str = "", *, half: bool = False) -> None:
        """Write the model folder; each file whole or not at all, ``config.json`` last.

        Args:
            folder: made when missing.
            card: text of the model card (``README.md``).
            half: store weights as fp16, at half the size; they are fp32 again once loaded.
        """
        save_network(self.generator, folder / "model.safetensors", half=half)
        if self.critic is not None:
            save_network(self.critic, folder / "critic.safetensors", half=half)
        if card:
            write_text(folder / "README.md", card)
        _write_config(self.config, folder)

    @classmethod
    def load(cls, path: Path | str, *, critic: bool = True) -> Self:
        """Load a model folder, or the ``model/`` of a run folder.

        Args:
            path: the folder.
            critic: also load the critic, where there is one.

        Raises:
            DomainxferError: no model there, written by a newer version, or a file is damaged.
        """
        folder = model_folder(Path(path))
        config = read_config(folder)
        generator = new_generator(config.generator)
        load_network(generator, folder / "model.safetensors")
        judge = None
        if critic and config.critic is not None and (folder / "critic.safetensors").exists():
            judge = new_critic(config.critic).eval()
            load_network(judge, folder / "critic.safetensors")
        return cls(config, generator, judge).to("cuda" if torch.cuda.is_available() else "cpu")


def mark_finished(folder: Path) -> None:
    """Write into a model's folder that the training of its run has ended.

    Raises:
        DomainxferError: no model there, or it cannot be written.
    """
    _write_config(read_config(folder).model_copy(update={"finished": True}), folder)


def _write_config(config: ModelConfig, folder: Path) -> None:
    write_text(folder / "config.json", config.model_dump_json(indent=2) + "\n")


def save_network(network: nn.Module, path: Path, *, half: bool = False) -> None:
    """Write a network's weights as safetensors, as fp16 where ``half``."""
    weights = {name: tensor.detach().cpu() for name, tensor in network.state_dict().items()}
    if half:
        weights = {name: t.half() if t.is_floating_point() else t for name, t in weights.items()}
    weights = {name: tensor.contiguous() for name, tensor in weights.items()}  # safetensors refuses channels_last
    with written_whole(path) as part:
        part.write_bytes(serialize(weights))


def load_network(network: nn.Module, path: Path) -> None:
    """Fill a network with the weights of a safetensors file.

    Raises:
        DomainxferError: the file is missing, damaged, or belongs to another architecture.
    """
    try:
        network.load_state_dict(load_file(path))
    except OSError as error:
        raise explain_os_error(error, "read", path) from error
    except SafetensorError as error:
        raise DomainxferError(
            f"{path} is damaged or no safetensors file ({error}); copy it again or train the model anew"
        ) from error
    except RuntimeError as error:
        raise DomainxferError(f"{path} does not fit its config.json: they belong to different models") from error


def model_folder(path: Path) -> Path:
    """The folder itself, or the ``model/`` of a run folder."""
    inner = path / "model"
    return inner if not (path / "config.json").exists() and (inner / "config.json").exists() else path


def read_config(folder: Path) -> ModelConfig:
    """What a model folder says of its model, without the weights.

    Raises:
        DomainxferError: no model there, written by a newer version, or damaged.
    """
    path = folder / "config.json"
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        if (folder / "recipe.yaml").exists():
            raise DomainxferError(
                f"{folder} holds no model yet: a run saves one with its first checkpoint "
                "(training.checkpoint_every) and at its end"
            ) from error
        raise DomainxferError(
            f"{folder} holds no model: a run folder or a model folder with config.json is expected"
        ) from error
    except OSError as error:
        raise explain_os_error(error, "read", path) from error
    except (ValueError, RecursionError) as error:
        raise DomainxferError(f"{path} is damaged: no JSON ({error})") from error
    version = fields.get("format", 0) if isinstance(fields, dict) else 0
    if isinstance(version, int) and version > FORMAT:
        wrote = fields.get("version") or "a newer domainxfer"
        raise DomainxferError(
            f"{folder} was written by {wrote} in model format {version}; this program reads up to {FORMAT}: "
            "pip install --upgrade domainxfer"
        )
    if isinstance(version, int) and 0 < version < FORMAT:
        raise DomainxferError(
            f"{folder} was written in model format {version}, of a time before the first release; this program reads "
            f"format {FORMAT}: train it again"
        )
    try:
        return ModelConfig.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        where = [".".join(str(part) for part in first["loc"])] if first["loc"] else []
        raise DomainxferError(": ".join([str(path), *where, first["msg"].removeprefix("Value error, ")])) from error
