"""A trained model to work with: `Model`, `load()` for one that is named, `find_model()` for the one that is meant."""

import functools
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Unpack, overload

import numpy as np
from PIL import Image

from domainxfer.datasets.domain_data import PictureArray
from domainxfer.datasets.pixels import held_out_tensor
from domainxfer.errors import DomainxferError, UsageError, did_you_mean
from domainxfer.files import at_home
from domainxfer.generate import PictureMaker
from domainxfer.models.model import NetworkModel, model_folder, read_config
from domainxfer.pictures import to_rgb
from domainxfer.training.run_folder import all_runs, followed, named_model
from domainxfer.translate import TranslationOptions, refuse_others, translate_image, translate_images
from domainxfer.weights import shipped_models

DEFAULT_RUNS = Path("runs")


class Model(NetworkModel):
    """A trained model. `load` makes one."""

    @overload
    def translate(self, image: Image.Image, to: str, **options: Unpack[TranslationOptions]) -> Image.Image: ...
    @overload
    def translate(
        self, image: Iterable[Image.Image], to: str, **options: Unpack[TranslationOptions]
    ) -> list[Image.Image]: ...
    def translate(self, image, to, *, mask=None, **options):  # type: ignore[no-untyped-def]
        """Translate one picture or a batch of them to a domain; each keeps its own size.

        Args:
            image: a PIL picture of any mode and size, or several of them.
            to: name of the domain, one of `domains`.
            mask: PIL picture: white = change, black = leave.
            options: ``strength``, ``code``, ``like``, ``size``, ``tiles``; see `domainxfer.translate.Translator`.

        Returns:
            RGB (or RGBA) pictures, one for each that was given.

        Raises:
            UsageError: unknown domain or option, a setting out of range, or something that is no PIL picture.
        """
        for name in options.keys() - TranslationOptions.__annotations__:
            known = ["mask", *TranslationOptions.__annotations__]
            raise UsageError(f"there is no option {name!r}.{did_you_mean(name, known)} Known: {', '.join(known)}")
        if isinstance(image, Image.Image) or not isinstance(image, Iterable):
            return translate_image(self, image, to, mask=mask, **options)
        return translate_images(self, image, to, mask=mask, **options)

    def generate(
        self,
        count: int = 1,
        *,
        label: str | int | None = None,
        code: Sequence[float] | None = None,
        seed: int = 0,
        mend: int = 0,
    ) -> list[Image.Image]:
        """Make pictures of noise; picture i of a seed is the same, however many are made.

        Args:
            count: how many.
            label: what to make: a domain's name or a label's number. None makes all labels in turn.
            code: variation: as many values in [-1, 1] as the model's code has; None means all 0.
            seed: of the noise.
            mend: so many times a part of each picture's noise is drawn again, and kept where the critic likes the
                picture better: fewer mistakes, less variety.

        Returns:
            RGB pictures at the size of training, or grey ones (mode L) where the model learned grey ones.

        Raises:
            UsageError: the model translates pictures, has no such label, another code, or no critic to mend by; or
                ``count`` is negative.
        """
        if count < 0:
            raise UsageError(f"count is {count}; there cannot be fewer than 0 pictures")
        return PictureMaker(self, label=label, code=code, seed=seed, mend=mend).pictures(range(count))

    def export(self, path: Path | str, *, overwrite: bool = False) -> float:
        """Write the generator as an ONNX file, which runs without torch; `domainxfer.export` says what it takes.

        Returns:
            The largest difference, in [-1, 1], between what the file and torch make of the same inputs.

        Raises:
            MissingExtra: onnx, onnxscript or onnxruntime is not installed.
            DomainxferError: there is a file, and it may not be replaced; or it would make other pictures.
        """
        from domainxfer.export import export_onnx  # onnxruntime takes a second

        return export_onnx(self, at_home(path), overwrite=overwrite)

    @overload
    def classify(self, image: Image.Image) -> dict[str, float]: ...
    @overload
    def classify(self, image: Iterable[Image.Image]) -> list[dict[str, float]]: ...
    def classify(self, image):  # type: ignore[no-untyped-def]
        """How likely each label of a picture is, by the critic's label head.

        Args:
            image: a PIL picture of any mode and size, or several of them. As in training its shorter side becomes that
                of the training pictures, and what is longer is cut to a square.

        Returns:
            Probabilities that add up to 1, the likeliest first, by the domain's name, or by the number of a label that
            was found ("0", "1", ...); one such dictionary for each picture that was given.

        Raises:
            UsageError: the model was trained without labels, or something is no PIL picture.
            DomainxferError: the model was saved without its critic.
        """
        if isinstance(image, Image.Image) or not isinstance(image, Iterable):
            return self._classified(image)
        return [self._classified(one) for one in image]

    def _classified(self, image: Image.Image) -> dict[str, float]:
        refuse_others(image)
        labels, channels = self.config.generator.labels, self.config.generator.channels
        if not labels:
            raise UsageError("this model was trained without labels, so it knows none to choose from")
        pictures = PictureArray(np.asarray(to_rgb(image))[None])
        x = held_out_tensor(pictures, self.config.size, [0], channels)
        names = self.domains or [str(label) for label in range(labels)]
        chances = dict(zip(names, self.label_probabilities(x)[0].tolist(), strict=True))
        return dict(sorted(chances.items(), key=lambda item: -item[1]))


def load(path: Path | str) -> Model:
    """Load a model: a run folder, its ``model/`` or ``best/``, or any model folder; or one that ships, by its name.

    Raises:
        DomainxferError: no model there, damaged, or written by a newer version.
    """
    if not isinstance(path, str | Path):
        raise UsageError(f"a model is named by its folder, or one that ships by its name; {path!r} is neither")
    folder = followed(at_home(path))
    return Model.load(folder if folder.exists() else shipped_models().get(str(path), folder))


def find_model(model: str | None, to: str | None, runs: Path = DEFAULT_RUNS) -> tuple[Path, Model]:
    """The model that a command means, and where it lies.

    Named: a path, a run's name, or a model that ships with the package. Not named: the latest finished run that knows
    the domain, else a model that ships.

    Args:
        model: folder of a model or run, a run's name, a shipped model's name, or None.
        to: the domain it must know; None or "all" for any translator.
        runs: where run folders are.

    Raises:
        DomainxferError: there is none; says what to do.
    """
    if model is not None:
        path = named_model(model, runs)
        return path, _loaded(path)
    known: set[str] = set()
    stopped: list[str] = []
    for path in [*(run.path for run in reversed(all_runs(runs))), *shipped_models().values()]:
        with suppress(DomainxferError):  # a run that has no model yet, or whose model is damaged
            config = read_config(model_folder(path))
            if config.generator.content != "picture":
                continue
            wanted = to in (None, "all") or to in config.domains
            if not config.finished:
                stopped += [path.name] if wanted else []
            elif wanted:
                return path, _loaded(path)
            else:
                known.update(config.domains)
    mend = (
        f"{stopped[0]} does, but its training has not ended: --model {stopped[0]}"
        if stopped
        else "Train one (domainxfer train DATA) or name it with --model"
    )
    raise DomainxferError(
        f"no model that makes {to!r}; finished runs in {runs} and the models that ship with domainxfer know "
        f"{', '.join(sorted(known)) or 'no domain'}. {mend}"
    )


def _loaded(path: Path) -> Model:
    """A model, read once as long as its weights stay the same: a run that goes on gets new ones."""
    files = [folder / "model.safetensors" for folder in (path, path / "model")]
    written = [file.stat().st_mtime_ns for file in files if file.exists()]
    return _read_once(str(path.resolve()), tuple(written))


@functools.lru_cache(maxsize=4)
def _read_once(path: str, written: tuple[int, ...]) -> Model:
    return load(path)
