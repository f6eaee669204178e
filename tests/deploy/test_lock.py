"""Two stacks never share a folder."""

from __future__ import annotations

import pytest

from deploy.local.errors import DeployError
from deploy.local.lock import only_one


def test_a_folder_in_use_is_refused_and_free_again_afterwards(tmp_path):
    folder = tmp_path / "home" / "demo"
    with only_one(folder):
        with pytest.raises(DeployError, match="RETROPROOF_HOME"), only_one(folder):
            pytest.fail("a second process came in")
        with only_one(tmp_path / "home" / "up"):
            pass
    with only_one(folder):
        pass
