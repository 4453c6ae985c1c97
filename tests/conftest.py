"""What tests of several parts need."""

from types import SimpleNamespace

import pytest

from rgbx.errors import MissingToolError
from rgbx_render.photography.blender import find_blender


@pytest.fixture
def ray_cluster(monkeypatch):
    """A Ray cluster of a head that renders nothing and two nodes of one core each, which can be killed."""
    pytest.importorskip("ray", reason="Ray is not installed: run 'pip install rgbx[ray]'")
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    store = {"object_store_memory": 100 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **store})
    nodes = [cluster.add_node(num_cpus=1, **store) for _ in range(2)]
    cluster.wait_for_nodes()
    yield SimpleNamespace(
        address=cluster.address,
        store_bytes=store["object_store_memory"],
        kill_a_node=lambda: cluster.remove_node(nodes[0], allow_graceful=False),
    )
    cluster.shutdown()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs Blender where its environment is not there."""
    if item.get_closest_marker("blender"):
        try:
            find_blender()
        except MissingToolError:
            pytest.skip("Blender's environment is not there: run 'make env'")
