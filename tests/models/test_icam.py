import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from rgbx.models.icam import ICam, ICamConfig, class_activation_map
from rgbx.models.windows import sample_window, upsample, window_round_maximum
from rgbx.research.windows import box_round_hottest, hide_window
from tiny_networks import TinyBackbone


def icam(**settings: object) -> ICam:
    torch.manual_seed(0)
    return ICam(TinyBackbone(), 3, ICamConfig.model_validate({"input_size": 32, **settings}))


def images(count: int = 4, channels: int = 3, size: int = 64) -> torch.Tensor:
    return torch.rand(count, channels, size, size, generator=torch.Generator().manual_seed(1))


def test_cam_is_the_weighted_sum_of_the_feature_maps_of_each_images_class() -> None:
    maps, weights, chosen = torch.randn(2, 5, 3, 4), torch.randn(7, 5), torch.tensor([6, 1])
    by_hand = np.einsum("bk,bkhw->bhw", weights.numpy()[[6, 1]], maps.numpy())
    np.testing.assert_allclose(class_activation_map(maps, weights, chosen).numpy(), by_hand, rtol=1e-5, atol=1e-6)


def test_mean_of_the_cam_is_the_logit_without_its_bias() -> None:
    network = icam(iterations=1).eval()
    output = network(images())
    chosen = output.iteration_logits[:, 0].argmax(1)
    expected = output.iteration_logits[torch.arange(4), 0, chosen] - network.classifier.bias[chosen]
    torch.testing.assert_close(output.cams[:, 0].mean((1, 2)), expected, rtol=1e-4, atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**31),
    st.integers(2, 9),
    st.sampled_from([16, 32, 45]),
    st.floats(0.1, 1.0),
)
def test_window_is_inside_the_image_of_the_right_size_and_holds_the_maximum(
    seed: int, cells: int, size: int, fraction: float
) -> None:
    cam = torch.randn(3, cells, cells, generator=torch.Generator().manual_seed(seed))
    window = window_round_maximum(upsample(cam, (size, size)), fraction)
    assert torch.all(window[:, 2] == torch.tensor(fraction))
    assert torch.all(window[:, :2] >= 0)
    assert torch.all(window[:, :2] + window[:, 2:] <= 1 + 1e-6)
    upsampled = F.interpolate(cam[:, None], (size, size), mode="bilinear")[:, 0]
    for place, each in enumerate(upsampled):
        row, column = divmod(int(each.argmax()), size)
        left, top, side = window[place].tolist()
        assert left - 1e-6 <= (column + 0.5) / size <= left + side + 1e-6
        assert top - 1e-6 <= (row + 0.5) / size <= top + side + 1e-6


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**31),
    st.integers(2, 9),
    st.sampled_from([3, 5, 9]),
    st.floats(0.1, 1.0),
)
def test_the_window_of_a_map_is_that_of_its_stretch(seed: int, cells: int, times: int, fraction: float) -> None:
    size = times * cells  # odd times, so that a pixel of the stretched map lies where each cell has its centre
    cam = torch.randn(3, cells, cells, generator=torch.Generator().manual_seed(seed))
    window = window_round_maximum(cam, fraction)
    upsampled = upsample(cam, (size, size))
    torch.testing.assert_close(upsampled, F.interpolate(cam[:, None], (size, size), mode="bilinear")[:, 0])
    stretched = window_round_maximum(upsampled, fraction)
    border = max(0.0, 0.5 / cells - fraction / 2)  # there the stretched map is flat, and its first maximum further out
    torch.testing.assert_close(window, stretched, rtol=0, atol=border + 1e-6)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.integers(2, 9), st.floats(0.1, 0.9), st.floats(0.05, 1.0))
def test_box_is_the_smallest_square_round_all_that_is_hot(
    seed: int, cells: int, threshold: float, least: float
) -> None:
    heat = upsample(torch.randn(3, cells, cells, generator=torch.Generator().manual_seed(seed)), (32, 32))
    window = box_round_hottest(heat, threshold, least)
    assert torch.all(window >= -1e-6)
    assert torch.all(window[:, :2] + window[:, 2:] <= 1 + 1e-5)
    for each, (left, top, side) in zip(heat, window.tolist(), strict=True):
        rows, columns = torch.nonzero(each >= each.min() + threshold * (each.max() - each.min())).unbind(1)
        assert left - 1e-5 <= columns.min() / 32
        assert top - 1e-5 <= rows.min() / 32
        assert (columns.max() + 1) / 32 <= left + side + 1e-5
        assert (rows.max() + 1) / 32 <= top + side + 1e-5
        extent = max(columns.max() - columns.min(), rows.max() - rows.min()) + 1
        assert side == pytest.approx(max(float(extent) / 32, least), abs=1e-5)


def test_a_hidden_window_holds_no_peak() -> None:
    heat = torch.zeros(2, 16, 16)
    heat[:, 3, 4], heat[:, 12, 10] = 2.0, 1.0
    window = window_round_maximum(heat, 0.25)
    second = window_round_maximum(hide_window(heat, window), 0.25)
    torch.testing.assert_close(second[0], torch.tensor([10.5 / 16 - 0.125, 12.5 / 16 - 0.125, 0.25]))
    assert float(hide_window(heat, window).max()) == 1.0


def test_peaks_are_searched_in_the_whole_image_and_lie_apart() -> None:
    network = icam(window="peaks", crop_fraction=0.3).eval()
    source = images()
    output = network(source)
    torch.testing.assert_close(output.windows[0, :, 2], torch.tensor([1.0, 0.3, 0.3]))
    second, third = output.windows[:, 1], output.windows[:, 2]
    centre = third[:, :2] + third[:, 2:] / 2
    pushed = ((third[:, :2] <= 1e-6) | (third[:, :2] >= 1 - 0.3 - 1e-6)).any(1)  # its maximum is not its centre then
    inside = ((centre >= second[:, :2]) & (centre <= second[:, :2] + second[:, 2:])).all(1)
    assert not torch.any(inside & ~pushed)


def test_layercam_counts_evidence_for_the_class_only() -> None:
    network = icam(iterations=1, activation_map="layercam").eval()
    output = network(images())
    maps = network.feature_maps(sample_window(images(), output.windows[:, 0], (32, 32)), 0)
    positive = network.classifier.weight.clamp_min(0)[output.logits.argmax(1)]
    torch.testing.assert_close(output.cams[:, 0], torch.einsum("bk,bkhw->bhw", positive, maps), rtol=1e-4, atol=1e-5)


def test_sampling_an_aligned_window_equals_slicing() -> None:
    image = images(1, size=64)
    window = torch.tensor([[16 / 64, 24 / 64, 32 / 64]])
    torch.testing.assert_close(sample_window(image, window, (32, 32)), image[:, :, 24:56, 16:48], rtol=1e-4, atol=1e-5)


def test_sampling_a_source_of_twice_the_size_averages_two_by_two() -> None:
    image = images(2, size=64)
    whole = torch.tensor([[0.0, 0.0, 1.0]]).expand(2, 3)
    torch.testing.assert_close(sample_window(image, whole, (32, 32)), F.avg_pool2d(image, 2), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("side", [96, 128, 160])
def test_no_pixel_of_a_large_source_is_passed_over(side: int) -> None:
    network = icam(iterations=1).eval()
    dots = torch.zeros(64, 3, side, side)
    places = torch.arange(64)
    dots[places, :, side // 2 + places // 8, side // 2 + places % 8] = 1.0
    seen = network(dots).crops[0].amax((1, 2, 3))
    assert float(seen.min()) > 0.01
    assert float(seen.max() / seen.min()) < 10
    passed = sample_window(dots, torch.tensor([[0.0, 0.0, 1.0]]).expand(64, 3), (32, 32)).amax((1, 2, 3))
    assert float(passed.min()) == 0.0


def test_one_iteration_is_the_backbone_with_pooling_and_a_linear_layer() -> None:
    network = icam(iterations=1).eval()
    source = images(size=32)
    backbone = network.backbone
    normalised = (source - network.mean) / network.std
    expected = network.classifier(backbone.forward_features(normalised).mean((2, 3)))
    torch.testing.assert_close(network(source).logits, expected, rtol=1e-4, atol=1e-5)


def test_grey_images_become_three_equal_channels() -> None:
    network = icam(iterations=1).eval()
    grey = images(channels=1)
    torch.testing.assert_close(network(grey).logits, network(grey.expand(-1, 3, -1, -1)).logits)


@pytest.mark.parametrize("crop_source", ["input", "source"])
def test_windows_nest(crop_source: str) -> None:
    network = icam(crop_source=crop_source, crop_fraction=0.6).eval()
    source = images()
    output = network(source)
    torch.testing.assert_close(output.windows[0, :, 2], torch.tensor([1.0, 0.6, 0.36]))
    assert torch.all(output.windows[:, 1:, :2] >= output.windows[:, :-1, :2] - 1e-6)


def test_crop_from_source_shows_detail_that_crop_from_input_has_lost() -> None:
    source = images(size=128)
    window = torch.tensor([[0.25, 0.25, 0.25]]).expand(4, 3)
    whole = torch.tensor([[0.0, 0.0, 1.0]]).expand(4, 3)
    sharp = sample_window(source, window, (32, 32))
    blurred = sample_window(sample_window(source, whole, (32, 32)), window, (32, 32))
    assert sharp.var() > 3 * blurred.var()


def test_aggregators() -> None:
    features = torch.randn(2, 3, 6)
    torch.testing.assert_close(icam(aggregator="sum").aggregate(features), features.sum(1))
    torch.testing.assert_close(icam(aggregator="mean").aggregate(features), features.mean(1))
    weighted = icam(aggregator="weighted_mean")
    torch.testing.assert_close(weighted.aggregate(features), features.mean(1))  # where learning starts
    weighted.aggregator.weights.data = torch.tensor([100.0, 0.0, 0.0])
    torch.testing.assert_close(weighted.aggregate(features), features[:, 0])


def test_fewer_iterations_equal_the_first_ones_of_all() -> None:
    network = icam().eval()
    source = images()
    torch.testing.assert_close(network(source, iterations=1).features[:, 0], network(source).features[:, 0])


@pytest.mark.parametrize("batch_norm", ["shared", "per_iteration", "frozen"])
def test_batch_norm_statistics(batch_norm: str) -> None:
    network = icam(batch_norm=batch_norm).train()
    before = {name: value.clone() for name, value in network.named_buffers() if name.endswith("running_mean")}
    network(images())
    after = {name: value for name, value in network.named_buffers() if name.endswith("running_mean")}
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    if batch_norm == "frozen":
        assert not moved
    else:
        assert moved == set(before)
    if batch_norm == "per_iteration":
        assert len(before) == 2 * 3
        first, second = (after[f"backbone.stem.1.norms.{place}.running_mean"] for place in (0, 1))
        assert not torch.equal(first, second)
        norms = network.backbone.stem[1].norms
        assert norms[0].weight is norms[1].weight


def test_iterations_that_join_after_a_warm_up_have_little_weight() -> None:
    network = icam()
    network.end_warm_up()
    torch.testing.assert_close(torch.softmax(network.aggregator.weights, 0).data, torch.tensor([0.9, 0.05, 0.05]))
    icam(aggregator="mean").end_warm_up()
    icam(iterations=1).end_warm_up()


def test_end_of_warm_up_hands_statistics_on() -> None:
    network = icam().train()
    network(images(), iterations=1)
    network.end_warm_up()
    norms = network.backbone.stem[1].norms
    assert torch.equal(norms[0].running_var, norms[2].running_var)
    network(images())
    assert not torch.equal(norms[0].running_var, norms[2].running_var)


@pytest.mark.parametrize("crop_source", ["input", "source"])
@pytest.mark.parametrize("aggregator", ["weighted_mean", "mean", "sum"])
def test_every_trainable_parameter_gets_a_gradient(crop_source: str, aggregator: str) -> None:
    network = icam(crop_source=crop_source, aggregator=aggregator).train()
    F.cross_entropy(network(images()).logits, torch.tensor([0, 1, 2, 0])).backward()
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("batch_norm", ["shared", "per_iteration"])
def test_frozen_stages_do_not_move(batch_norm: str) -> None:
    torch.manual_seed(0)
    config = ICamConfig(input_size=32, batch_norm=batch_norm)
    network = ICam(TinyBackbone(), 3, config, frozen_stages=1).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    optimizer = torch.optim.SGD([each for each in network.parameters() if each.requires_grad], 0.5)
    F.cross_entropy(network(images()).logits, torch.tensor([0, 1, 2, 0])).backward()
    optimizer.step()
    changed = {name for name, value in network.state_dict().items() if not torch.equal(before[name], value)}
    assert not {name for name in changed if name.startswith("backbone.stem")}
    assert "backbone.body.0.weight" in changed
    assert "classifier.weight" in changed


def test_label_guides_the_crop() -> None:
    network = icam().eval()
    source = images(8)
    windows = [network(source, torch.full((8,), label)).windows for label in range(3)]
    assert any(not torch.equal(windows[0], other) for other in windows[1:])


def test_a_network_starts_from_another_with_fewer_looks_and_other_classes() -> None:
    one, three = icam(iterations=1), icam()
    one.train()(images())
    three.start_from(one, [(0, 2), (2, 1)])
    source = images()
    torch.testing.assert_close(
        three.eval()(source, iterations=1).features, one.eval()(source).features, rtol=1e-4, atol=1e-5
    )
    assert torch.equal(three.classifier.weight[0], one.classifier.weight[2])
    assert torch.equal(three.classifier.bias[2], one.classifier.bias[1])
    assert torch.equal(three.classifier.weight[1], icam().classifier.weight[1]), "a class of its own"
    norms = three.backbone.stem[1].norms
    assert torch.equal(norms[2].running_mean, one.backbone.stem[1].running_mean)
    torch.testing.assert_close(torch.softmax(three.aggregator.weights, 0).data, torch.tensor([0.9, 0.05, 0.05]))


def test_a_network_starts_from_its_like_with_all_its_statistics() -> None:
    trained, new = icam(), icam()
    trained.train()(images())
    trained.aggregator.weights.data = torch.tensor([0.1, 0.2, 0.3])
    new.start_from(trained, [(0, 0), (1, 1), (2, 2)])
    torch.testing.assert_close(new.eval()(images()).logits, trained.eval()(images()).logits)


def test_with_extractors_of_their_own_each_iteration_has_its_weights() -> None:
    network = icam(extractors="own").eval()
    source = images()
    before = network(source)
    torch.testing.assert_close(before.features, icam(extractors="shared").eval()(source).features)
    with torch.no_grad():
        next(iter(network.closer[0].parameters())).mul_(-1)
    after = network(source)
    torch.testing.assert_close(after.features[:, 0], before.features[:, 0])
    assert not torch.allclose(after.features[:, 1], before.features[:, 1])
    assert not any("norms" in name for name in network.state_dict()), "statistics are each extractor's own already"


def test_own_extractors_start_from_the_initial_weights_and_go_on_from_their_like() -> None:
    one = icam(iterations=1)
    with torch.no_grad():
        next(iter(one.backbone.parameters())).mul_(-1)
    two, again = (icam(iterations=2, extractors="own") for _ in range(2))
    two.start_from(one, [(0, 0), (1, 1), (2, 2)])
    assert torch.equal(next(iter(two.backbone.parameters())), next(iter(one.backbone.parameters())))
    assert torch.equal(next(iter(two.closer.parameters())), -next(iter(one.backbone.parameters())))
    two.closer.requires_grad_(False)
    next(iter(two.closer.parameters())).mul_(2)
    again.start_from(two, [(0, 0), (1, 1), (2, 2)])
    torch.testing.assert_close(again.eval()(images()).logits, two.eval()(images()).logits)


@pytest.mark.parametrize(
    "settings", [{"window": "peaks"}, {"extractors": "own"}, {"window": "box", "window_options": {"threshold": 0.7}}]
)
def test_every_form_of_the_loop_exports_as_one_graph_that_gives_the_same_crops(settings: dict[str, object]) -> None:
    network = icam(**settings).eval()
    exported = torch.export.export(network, (images(2),)).module()
    ours, graph = network(images(2)), exported(images(2))
    torch.testing.assert_close(graph.windows, ours.windows)
    torch.testing.assert_close(graph.logits, ours.logits, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("window", ["square", "box", "peaks"])
def test_windows_of_a_rectangle_have_its_proportions(window: str) -> None:
    config = ICamConfig.model_validate({"input_size": 32, "iterations": 3, "window": window})
    network = ICam(TinyBackbone(), 3, config, input_shape=(64, 32)).eval()
    source = torch.rand(2, 3, 128, 64, generator=torch.Generator().manual_seed(0))
    output = network(source)
    assert [tuple(crop.shape) for crop in output.crops] == [(2, 3, 64, 32)] * 3
    assert (output.windows[:, :, :2] >= 0).all()
    assert (output.windows[:, :, :2] + output.windows[:, :, 2:] <= 1 + 1e-6).all()
    left, top, side = output.windows[0, 1].tolist()
    rows, columns = torch.meshgrid(torch.arange(64), torch.arange(32), indexing="ij")
    middle = torch.stack([left + side * (columns + 0.5) / 32, top + side * (rows + 0.5) / 64], -1)
    expected = F.grid_sample(source[:1], (2 * middle - 1)[None], padding_mode="border", align_corners=False)
    torch.testing.assert_close(output.crops[1][:1], expected, rtol=1e-4, atol=1e-4)
