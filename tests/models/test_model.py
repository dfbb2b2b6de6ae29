"""Model folders: what comes back is what was saved, and damage is named in one line."""

import copy
import json
import os
import pickle
from pathlib import Path

import pytest
import torch

from domainxfer.errors import DomainxferError, UsageError
from domainxfer.models.config import FORMAT, CriticConfig, GeneratorConfig, ModelConfig
from domainxfer.models.generator import Generator
from domainxfer.models.model import NetworkModel, save_network
from domainxfer.models.networks import new_critic


def made(*, critic: bool = True, norm: str = "instance", seed: int = 0, count: int = 1, heads: int = 0) -> NetworkModel:
    torch.manual_seed(seed)
    config = ModelConfig(
        version="0.1",
        domains=("horse", "zebra", "okapi"),
        size=32,
        steps=7,
        generator=GeneratorConfig(labels=3, code_size=2, width=16, blocks=1, size=32, heads=heads),
        critic=CriticConfig(labels=3, code_size=2, width=8, depth=3, fields=(1, 2), norm=norm, count=count),
    )
    judge = new_critic(config.critic) if critic and config.critic else None
    return NetworkModel(config, Generator(config.generator), judge).to("cpu")


def picture(count: int = 2, side: int = 32) -> torch.Tensor:
    return 2 * torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(1)) - 1


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    made().save(tmp_path / "model", card="# A card\n")
    return tmp_path / "model"


def refused(folder: Path, *names: str) -> str:
    """The one line with which a folder is refused; it names the file."""
    with pytest.raises(DomainxferError) as caught:
        NetworkModel.load(folder)
    line = str(caught.value)
    assert "\n" not in line
    assert all(name in line for name in names), line
    assert caught.value.exit_code == 1
    return line


@pytest.mark.parametrize("several", [{}, {"count": 2, "heads": 3}])
@pytest.mark.parametrize("norm", ["instance", "spectral", "none"])
def test_what_was_saved_comes_back_bit_for_bit(tmp_path: Path, norm: str, several: dict[str, int]) -> None:
    old = made(norm=norm, **several)
    old.save(tmp_path / "m")
    torch.manual_seed(99)
    new = NetworkModel.load(tmp_path / "m")
    assert new.config == old.config
    assert new.critic is not None
    assert old.critic is not None
    for a, b in ((old.generator, new.generator), (old.critic, new.critic)):
        assert a.state_dict().keys() == b.state_dict().keys()
        assert all(torch.equal(t, b.state_dict()[name]) for name, t in a.state_dict().items())
    old.critic.eval()
    label, code = torch.tensor([1, 2]), torch.tensor([[0.5, -1], [0, 1]])
    assert torch.equal(old.apply(picture(), label, code), new.apply(picture(), label, code))
    assert torch.equal(old.label_probabilities(picture()), new.label_probabilities(picture()))
    assert torch.equal(old.estimate_code(picture()), new.estimate_code(picture()))


def test_the_folder_holds_plain_files_only(saved: Path) -> None:
    assert sorted(os.listdir(saved)) == ["README.md", "config.json", "critic.safetensors", "model.safetensors"]
    assert json.loads((saved / "config.json").read_text())["domains"] == ["horse", "zebra", "okapi"]
    assert (saved / "README.md").read_text() == "# A card\n"


def test_networks_come_back_ready_for_use(saved: Path) -> None:
    model = NetworkModel.load(saved)
    assert model.critic is not None
    assert not model.generator.training
    assert not model.critic.training


def test_a_model_of_a_run_leaves_the_critic_in_training() -> None:
    """Samples are drawn in the middle of a run; spectral normalisation must go on learning after them."""
    critic = new_critic(CriticConfig(width=8, depth=3, fields=(1,), norm="spectral"))
    NetworkModel(made().config, made().generator, critic)
    assert critic.training


def test_judging_leaves_no_mark_on_a_critic_in_training() -> None:
    """Spectral norm goes on with its power iteration in training, and BatchNorm refuses a picture alone."""
    settings = {"labels": 3, "code_size": 2, "width": 8, "depth": 3, "fields": (1,), "norm": "spectral"}
    critic = new_critic(CriticConfig(**settings, label_norm="batch")).train()
    model = NetworkModel(made().config, made().generator, critic)
    before = copy.deepcopy(critic.state_dict())
    first, again = (model.score(picture(1), torch.tensor([1])) for _ in range(2))
    assert torch.equal(first, again)
    after = critic.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert critic.training


def test_output_is_in_range_and_of_the_same_size() -> None:
    model = made()
    y = model.apply(3 * picture(2, 48), torch.tensor([0, 1]))
    assert y.shape == (2, 3, 48, 48)
    assert y.abs().max() <= 1
    assert model.multiple == 4
    chances = model.label_probabilities(picture())
    torch.testing.assert_close(chances.sum(1), torch.ones(2))
    assert model.estimate_code(picture()).shape == (2, 2)
    assert model.estimate_code(1000 * picture()).abs().max() <= 1


def test_labels_by_name() -> None:
    model = made()
    assert [model.label_of(name) for name in model.domains] == [0, 1, 2]
    with pytest.raises(UsageError, match=r"horse, zebra, okapi.*Did you mean 'zebra'") as caught:
        model.label_of("zebar")
    assert caught.value.exit_code == 2


def test_a_run_folder_is_taken_for_its_model(saved: Path) -> None:
    assert NetworkModel.load(saved.parent).config.steps == 7
    assert NetworkModel.load(str(saved.parent)).config.steps == 7


@pytest.mark.parametrize(("detail", "edges"), [(0, 0.0), (3, 0.0), (3, 0.2)])
def test_the_gain_of_the_finest_detail_comes_with_the_pictures(detail: int, edges: float) -> None:
    torch.manual_seed(0)
    generator = Generator(GeneratorConfig(labels=2, size=32, width=8, blocks=1, detail=detail, edges=edges))
    with torch.no_grad():
        generator.exit.conv.bias.copy_(torch.tensor([0.0] * 3 + [-3.0, 0.5, 0.5][:detail]).repeat_interleave(4))
    model = NetworkModel(ModelConfig(domains=("a", "b"), generator=generator.config), generator)
    image, gain = model.apply_with_gain(picture(), torch.tensor([0, 1]))
    assert torch.equal(image, model.apply(picture(), torch.tensor([0, 1])))
    assert (gain is None) == (detail == 0 or edges > 0), "with edges, what is finer than the model sees is kept"
    if gain is not None:
        assert gain.shape == (2, 1, 32, 32)
        assert float(gain.mean()) == pytest.approx(-1, abs=0.05), "the first level's, limited to -1"


def test_without_its_critic(tmp_path: Path) -> None:
    made(critic=False).save(tmp_path)
    model = NetworkModel.load(tmp_path)
    assert model.critic is None
    assert model.apply(picture(), torch.tensor([0, 1])).shape == (2, 3, 32, 32)
    for ask in (model.label_probabilities, model.estimate_code):
        with pytest.raises(DomainxferError, match="without its critic"):
            ask(picture())


def test_the_critic_can_be_left_on_disk(saved: Path) -> None:
    assert NetworkModel.load(saved, critic=False).critic is None


def test_saving_again_replaces_the_weights(saved: Path) -> None:
    other = made(seed=5)
    other.save(saved)
    assert torch.equal(
        NetworkModel.load(saved).apply(picture(), torch.tensor([0, 1])), other.apply(picture(), torch.tensor([0, 1]))
    )


def test_a_newer_format_is_refused(saved: Path) -> None:
    fields = json.loads((saved / "config.json").read_text())
    fields |= {"format": FORMAT + 1, "version": "9.1", "a field of the future": 1}
    (saved / "config.json").write_text(json.dumps(fields))
    assert "upgrade" in refused(saved, str(saved), "9.1", f"format {FORMAT + 1}")


@pytest.mark.parametrize("old", range(1, FORMAT))
def test_a_format_from_before_the_first_release_is_refused(saved: Path, old: int) -> None:
    fields = json.loads((saved / "config.json").read_text())
    (saved / "config.json").write_text(json.dumps(fields | {"format": old}))
    assert "train it again" in refused(saved, str(saved), f"format {old}")


@pytest.mark.parametrize("name", ["model.safetensors", "critic.safetensors"])
@pytest.mark.parametrize("share", [0.0, 0.0001, 0.5, 0.999])
def test_truncated_weights(saved: Path, name: str, share: float) -> None:
    weights = (saved / name).read_bytes()
    (saved / name).write_bytes(weights[: int(share * len(weights))])
    assert "damaged" in refused(saved, str(saved / name))


class Evil:
    """Its pickle makes a folder when it is opened."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("how", ["pickle", "torch.save"])
def test_a_pickle_in_place_of_safetensors_is_refused_unopened(saved: Path, tmp_path: Path, how: str) -> None:
    marker = tmp_path / "opened"
    if how == "pickle":
        (saved / "model.safetensors").write_bytes(pickle.dumps({"a": Evil(marker)}))
    else:
        torch.save({"a": Evil(marker)}, saved / "model.safetensors")
    refused(saved, str(saved / "model.safetensors"))
    assert not marker.exists()


def test_weights_of_another_architecture(saved: Path) -> None:
    other = Generator(GeneratorConfig(labels=3, code_size=2, width=24, blocks=1, size=32))
    save_network(other, saved / "model.safetensors")
    assert "config.json" in refused(saved, str(saved / "model.safetensors"))


def test_missing_weights(saved: Path) -> None:
    (saved / "model.safetensors").unlink()
    refused(saved, str(saved / "model.safetensors"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "no JSON"),
        (b"{", "no JSON"),
        (b"\xff\xfe\x00", "no JSON"),
        (b"[]", "dictionary"),
        (b"{}", "generator"),
        (b'{"generator": {"labels": 1}}', "at least 2"),
        (b'{"generator": {"width": "wide"}}', "generator.width"),
        (b'{"generator": {}, "surprise": 1}', "surprise"),
        (b'{"format": "one", "generator": {}}', "format"),
        (b"[" * 100_000, "no JSON"),
        (b'{"domains": ["a", "b", "c"], "generator": {"labels": 2}}', "3 names for the 2 labels"),
        (
            b'{"domains": ["a"], "generator": {"labels": 2, "content": "noise", "output": "plain"}}',
            "1 names for the 2 labels",
        ),
        (b'{"domains": ["a", "a"], "generator": {"labels": 2}}', "no two have the same"),
        (b'{"domains": ["a", " "], "generator": {"labels": 2}}', "each has a name"),
        (b'{"size": -64, "domains": ["a", "b"], "generator": {"labels": 2}}', "size"),
        (b'{"generator": {"width": 1000000}}', "generator.width"),
        (b'{"size": 1000000000, "generator": {}}', "size: Input should be less than or equal to 8192"),
        (b'{"generator": {"blocks": 1000000000}}', "generator.blocks"),
    ],
)
def test_a_damaged_config(saved: Path, text: bytes, says: str) -> None:
    (saved / "config.json").write_bytes(text)
    line = refused(saved, str(saved / "config.json"), says)
    assert ": :" not in line
    assert "Value error" not in line


def test_no_model_there(tmp_path: Path) -> None:
    assert "holds no model" in refused(tmp_path, str(tmp_path))
    refused(tmp_path / "nowhere", "nowhere")
    (tmp_path / "file").write_text("x")
    refused(tmp_path / "file", "file")
