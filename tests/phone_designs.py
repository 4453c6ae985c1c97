"""What holds of every design of a phone."""

from rgbx_proving.sp10.designs import Phone


def check_cameras(design: Phone) -> None:
    """Its rear cameras stand over their modules and, where there is an island, on it; it keeps off the rounded edge."""
    shell = design.shell
    assert [(lens.x, lens.y) for lens in shell.lenses] == [(camera.x, camera.y) for camera in design.inside.cameras]
    if shell.island is not None:
        area = shell.island.area
        for lens in shell.lenses:
            assert abs(lens.x - area.x) + lens.diameter / 2 < area.width / 2
            assert abs(lens.y - area.y) + lens.diameter / 2 < area.height / 2
        assert abs(area.x) + area.width / 2 < shell.size[0] / 2 - 1.3
        assert area.y + area.height / 2 < shell.size[1] / 2 - 1.3
