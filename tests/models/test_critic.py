"""The critic: patch maps of the right label, heads, fields of view, and pictures that do not meet."""

from typing import Any

import pytest
import torch
from torch import Tensor

from domainxfer.models.config import CriticConfig
from domainxfer.models.critic import Critic


def made(**settings: Any) -> Critic:
    torch.manual_seed(0)
    return Critic(CriticConfig(**{"width": 8, "depth": 3, "fields": (1, 2), **settings}))


def picture(*shape: int) -> Tensor:
    return 2 * torch.rand(*shape, generator=torch.Generator().manual_seed(1)) - 1


@pytest.mark.parametrize("labels", [2, 3, 13, 0])
@pytest.mark.parametrize("side", [(32, 32), (64, 64), (96, 96), (128, 128), (28, 28), (32, 80)])
def test_any_size_and_any_number_of_labels(labels: int, side: tuple[int, int]) -> None:
    d = made(labels=labels, code_size=2)
    x = picture(2, 3, *side).requires_grad_()
    view = d(x, torch.tensor([0, labels - 1]) if labels else None)
    height, width = side
    assert [p.shape for p in view.patches] == [(2, height * width // 4), (2, height * width // 16), (2, 1)]
    assert view.label_logits.shape == (2, labels)
    assert view.code.shape == (2, 2)
    total = sum(p.mean() for p in view.patches) + view.label_logits.sum() + view.code.sum()
    total.backward()
    assert x.grad.abs().sum() > 0
    assert all(p.grad is not None and p.grad.isfinite().all() for p in d.parameters())


@pytest.mark.parametrize("bf16", [False, True])
def test_scores_are_fp32(bf16: bool) -> None:
    d = made(labels=2, code_size=1)
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        view = d(picture(2, 3, 32, 32), torch.tensor([0, 1]))
    assert {t.dtype for t in (*view.patches, view.label_logits, view.code)} == {torch.float32}


def test_the_patch_map_is_that_of_the_label() -> None:
    d = made(labels=3)
    with torch.no_grad():
        for head in d.patch_heads.values():
            head.score.weight.zero_()
            head.score.bias.copy_(torch.tensor([10.0, 20.0, 30.0]))
        d.style_head.weight.zero_()
        d.style_head.bias.copy_(torch.tensor([10.0, 20.0, 30.0]))
    view = d(picture(4, 3, 32, 32), torch.tensor([2, 0, 1, 2]))
    for patches in view.patches:
        assert patches.mean(1).tolist() == [30, 10, 20, 30]
        assert patches.std(1, correction=0).max() == 0
    with pytest.raises(ValueError, match="say which"):
        d(picture(1, 3, 32, 32))


def test_only_the_map_of_the_label_learns() -> None:
    d = made(labels=3)
    sum(p.sum() for p in d(picture(2, 3, 32, 32), torch.tensor([2, 2])).patches).backward()
    for head in d.patch_heads.values():
        assert_only_the_last(head.score.weight.grad)
    assert_only_the_last(d.style_head.weight.grad)


def assert_only_the_last(gradient: Tensor) -> None:
    moved = gradient.flatten(1).abs().sum(1)
    assert moved[0] == moved[1] == 0
    assert moved[2] > 0


def test_one_map_is_shared_where_labels_are_unknown() -> None:
    d = made(labels=13, patch_labels=False)
    x = picture(2, 3, 32, 32)
    a, b = d(x), d(x, torch.tensor([0, 12]))
    assert a.label_logits.shape == (2, 13)
    assert all(torch.equal(p, q) for p, q in zip(a.patches, b.patches, strict=True))


@pytest.mark.parametrize("norm", ["instance", "spectral", "none"])
def test_pictures_do_not_mix(norm: str) -> None:
    d = made(labels=2, code_size=1, norm=norm).eval()
    x = picture(3, 3, 32, 32).requires_grad_()
    view = d(x, torch.tensor([0, 1, 0]))
    for answers in (*view.patches, view.label_logits, view.code):
        for i in range(3):
            (gradient,) = torch.autograd.grad(answers[i].sum(), x, retain_graph=True)
            of_each = gradient.flatten(1).abs().sum(1)
            assert of_each[i] > 0
            assert all(of_each[j] == 0 for j in range(3) if j != i)


def test_deeper_fields_see_more() -> None:
    d = made(depth=4, fields=(1, 2, 3))
    x = picture(1, 3, 96, 96).requires_grad_()
    seen = []
    for patches in d(x).patches[:-1]:
        side = int(patches.shape[1] ** 0.5)
        middle = patches.view(side, side)[side // 2, side // 2]
        (gradient,) = torch.autograd.grad(middle, x, retain_graph=True)
        rows = gradient[0].abs().sum((0, 2)).nonzero()
        seen.append(int(rows.max() - rows.min()) + 1)
    assert seen == sorted(seen)
    assert seen[0] <= 12
    assert seen[2] >= 3 * seen[0]


def test_heads_that_are_not_asked_for() -> None:
    d = made()
    view = d(picture(2, 3, 32, 32))
    assert view.label_logits.shape == (2, 0)
    assert view.code.shape == (2, 0)
    assert d.info_parameters() == []


def test_info_parameters_are_those_of_the_heads() -> None:
    d = made(labels=3, code_size=2)
    assert [tuple(p.shape) for p in d.info_parameters()] == [(3, 32), (3,), (2, 32), (2,)]
    assert [tuple(p.shape) for p in d.info_parameters(label=False)] == [(2, 32), (2,)]
    assert {id(p) for p in d.info_parameters()} <= {id(p) for p in d.parameters()}


@pytest.mark.parametrize("head", ["style_head", "whole_head"])
def test_spectral_norm_bounds_the_other_scores(head: str) -> None:
    d = made(labels=2, norm="spectral", whole=True, size=32)
    layer = getattr(d, head)
    with torch.no_grad():
        layer.parametrizations.weight.original.mul_(50)
    for _ in range(60):
        d(picture(1, 3, 32, 32), torch.tensor([0]))
    assert float(torch.linalg.matrix_norm(layer.weight.detach(), 2)) == pytest.approx(1, abs=0.05)


def test_spectral_norm_bounds_every_convolution() -> None:
    d = made(labels=2, norm="spectral")
    with torch.no_grad():
        for module in d.modules():
            if isinstance(module, torch.nn.Conv2d):
                module.parametrizations.weight.original.mul_(50)
    for _ in range(60):
        d(picture(1, 3, 32, 32), torch.tensor([0]))
    gains = [
        float(torch.linalg.matrix_norm(module.weight.detach().flatten(1), 2))
        for module in d.modules()
        if isinstance(module, torch.nn.Conv2d)
    ]
    assert len(gains) == 3 + 2 * 2
    assert max(gains) < 1.1


def test_instance_normalisation_leaves_out_the_first_and_the_last_level() -> None:
    assert set(made(labels=2, depth=4).norms) == {"2", "3"}
    for norm in ("spectral", "none"):
        assert not made(labels=2, norm=norm).norms


def test_contrast_is_seen_by_the_style_head_only() -> None:
    """Without biases all that normalised features lose is how large they are: the very reason for the head."""
    d = made(labels=2, depth=3, fields=(2,))
    x = picture(4, 3, 64, 64)
    label = torch.tensor([0, 1, 0, 1])
    with torch.no_grad():
        *maps, style = d(x, label).patches
        *louder_maps, louder_style = d(1.5 * x, label).patches
    assert torch.allclose(maps[0], louder_maps[0], atol=0.02 * float(maps[0].std()))
    assert (style - louder_style).abs().min() > 0.01


def test_the_style_head_scores_means_and_deviations_and_no_places() -> None:
    d = made(labels=0, depth=2, fields=(1,), bands=False)
    x = picture(1, 3, 32, 32)
    level = d.trunk[0](d.enter(x)).double()
    deeper = d.trunk[1](torch.nn.functional.leaky_relu(level, 0.2).float()).double()
    statistics = [
        s for f in (level, deeper) for s in (f.mean((2, 3)), 0.5 * (f.var((2, 3), correction=0) + 0.01).log())
    ]
    expected = torch.cat(statistics, 1) @ d.style_head.weight.double().T + d.style_head.bias.double()
    assert torch.allclose(d(x).patches[-1].double(), expected, atol=1e-5)


def test_without_a_style_head() -> None:
    d = made(labels=2, style=False)
    assert d.style_head is None
    assert len(d(picture(2, 3, 32, 32), torch.tensor([0, 1])).patches) == 2


def test_the_whole_head_scores_what_lies_where() -> None:
    d = made(labels=3, depth=3, size=28, whole=True, style=False, fields=(), norm="none", bands=False)
    x, label = picture(4, 3, 28, 28), torch.tensor([2, 0, 1, 2])
    (scores,) = d(x, label).patches
    features = d.enter(x).double()
    for conv in d.trunk:
        features = torch.nn.functional.leaky_relu(conv.double()(features), 0.2)
    assert features.shape[2:] == (3, 3), "14, 7, 3"
    each = features.flatten(1) @ d.whole_head.weight.double().T + d.whole_head.bias.double()
    assert torch.allclose(scores.double(), each.gather(1, label[:, None]), atol=1e-5)
    d.float()
    (turned,) = d(x.flip(3), label).patches
    assert (turned - scores).abs().min() > 1e-4, "the same textures elsewhere"
    d(x, torch.tensor([2, 2, 2, 2])).patches[0].sum().backward()
    assert_only_the_last(d.whole_head.weight.grad)


def test_a_whole_head_beside_the_others() -> None:
    view = made(labels=2, size=32, whole=True)(picture(2, 3, 32, 32), torch.tensor([0, 1]))
    assert [p.shape for p in view.patches] == [(2, 256), (2, 64), (2, 1), (2, 1)]


def test_a_critic_without_any_score() -> None:
    with pytest.raises(ValueError, match="fields: name one at least"):
        CriticConfig(fields=())


@pytest.mark.parametrize("bands", [True, False])
def test_a_faint_colour_is_seen_from_the_start_as_bands_only(bands: bool) -> None:
    d = made(labels=2, norm="none", style=False, bands=bands)
    x = 0.5 * picture(8, 1, 32, 32).expand(-1, 3, -1, -1)
    tinted = x + 0.02 * torch.tensor([1.0, -2.0, 1.0]).view(3, 1, 1) * picture(8, 3, 32, 32)[:, :1].sign()
    label = torch.zeros(8, dtype=torch.int64)
    with torch.no_grad():
        plain, faint = (torch.cat(d(image, label).patches, 1) for image in (x, tinted))
    seen = (faint - plain).std() / plain.std()
    assert (seen > 0.5) == bands


def test_the_signal_does_not_fade_at_the_start() -> None:
    torch.manual_seed(0)
    d = Critic(CriticConfig(width=32, depth=4, fields=(2, 4)))
    x = picture(8, 1, 1, 1) + picture(8, 3, 64, 64)
    spread = [float(p.detach().std()) for p in d(x).patches]
    assert min(spread) > 0.1


def test_extra_heads_read_what_the_label_head_reads() -> None:
    d = made(labels=3, patch_labels=False, extra_heads=(5, 7))
    view = d(picture(2, 3, 32, 32))
    assert [logits.shape for logits in view.all_label_logits] == [(2, 3), (2, 5), (2, 7)]
    assert torch.equal(view.all_label_logits[0], view.label_logits)
    view.extra_logits[1].sum().backward()
    assert d.trunk[0].weight.grad.abs().sum() > 0
    assert d.label_head.weight.grad is None


def test_label_heads_may_read_what_differs_between_pictures() -> None:
    d = made(labels=3, extra_heads=(5,), patch_labels=False, label_norm="batch")
    alike = picture(1, 3, 16, 16) + 0.01 * picture(6, 3, 16, 16)
    pooled = made(labels=3, extra_heads=(5,), patch_labels=False).encode(alike)
    features = (pooled - pooled.mean(0)) / (pooled.var(0, correction=0) + 1e-5).sqrt()
    torch.testing.assert_close(d.encode(alike), features, atol=1e-4, rtol=1e-3)
    view = d(alike)
    torch.testing.assert_close(view.label_logits, d.label_head(features), atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(view.extra_logits[0], d.extra_heads[0](features), atol=1e-4, rtol=1e-3)


def test_scores_and_code_know_nothing_of_the_other_pictures_beside_such_labels() -> None:
    d = made(labels=3, code_size=2, patch_labels=False, label_norm="batch")
    x = picture(4, 3, 16, 16)
    together, apart = d(x), d(x[:2])
    for a, b in zip((*together.patches, together.code), (*apart.patches, apart.code), strict=True):
        torch.testing.assert_close(a[:2], b)
    assert not torch.allclose(together.label_logits[:2], apart.label_logits, atol=1e-2)


def test_in_use_a_picture_has_its_label_whatever_is_beside_it() -> None:
    d = made(labels=3, patch_labels=False, label_norm="batch")
    for _ in range(50):
        d(picture(8, 3, 16, 16))
    d.eval()
    x = picture(8, 3, 16, 16)
    torch.testing.assert_close(d(x[:1]).label_logits, d(x).label_logits[:1])
    d.train()
    torch.testing.assert_close(d(x).label_logits, d.eval()(x).label_logits, atol=0.3, rtol=0.1)


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_extra_heads_need_no_label_head_beside_them(norm: str) -> None:
    view = made(labels=0, extra_heads=(5,), label_norm=norm)(picture(4, 3, 16, 16))
    assert (view.label_logits.shape, view.extra_logits[0].shape) == ((4, 0), (4, 5))
