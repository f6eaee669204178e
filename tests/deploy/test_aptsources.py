"""Which Debian archive a machine uses is read from its own settings; third-party archives are passed over."""

from __future__ import annotations

import pytest

from deploy.local import debian
from deploy.local.aptsources import debian_uris
from deploy.local.errors import DeployError
from deploy.local.progress import Progress

BOOKWORM = """\
Types: deb
# a comment inside
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
"""


def etc_apt(tmp_path, **files):
    (tmp_path / "sources.list.d").mkdir()
    for name, text in files.items():
        folder = tmp_path if name == "sources_list" else tmp_path / "sources.list.d"
        folder.joinpath(name.replace("_", ".")).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    "line",
    [
        "deb http://mirror.example/debian bookworm main",
        "deb [arch=amd64 signed-by=/keys/debian-archive-keyring.gpg] http://mirror.example/debian sid main",
        "  deb\thttp://mirror.example/debian  stable   main contrib  # ours",
    ],
)
def test_a_one_line_entry_of_debian_is_found(tmp_path, line):
    assert debian_uris(etc_apt(tmp_path, sources_list=f"{line}\n")) == ["http://mirror.example/debian"]


@pytest.mark.parametrize(
    "line",
    [
        "# deb http://mirror.example/debian bookworm main",
        "deb-src http://mirror.example/debian bookworm main",
        "deb http://mirror.example/ubuntu noble main universe",
        "deb http://mirror.example/debian-security bookworm-security main",
        "deb [signed-by=/etc/apt/keyrings/other.gpg] http://other.example/debian bookworm main",
        "deb http://other.example/linux/debian bookworm stable",
        "deb cdrom:[Debian 12]/ bookworm main",
    ],
)
def test_a_one_line_entry_of_another_kind_is_passed_over(tmp_path, line):
    assert debian_uris(etc_apt(tmp_path, sources_list=f"{line}\n")) == []


def test_a_deb822_entry_of_debian_is_found_and_security_is_not_taken_for_it(tmp_path):
    assert debian_uris(etc_apt(tmp_path, debian_sources=BOOKWORM)) == ["http://mirror.example/debian"]


def test_a_disabled_deb822_entry_is_passed_over(tmp_path):
    text = BOOKWORM.replace("Types: deb\n# a", "Types: deb\nEnabled: no\n# a")
    assert debian_uris(etc_apt(tmp_path, debian_sources=text)) == []


def test_several_uris_may_stand_on_several_lines_and_each_counts_once(tmp_path):
    text = BOOKWORM.replace(
        "URIs: http://mirror.example/debian\n", "URIs: http://a.example/debian\n http://b.example/debian\n"
    )
    same = "deb http://a.example/debian bookworm main\n"
    assert debian_uris(etc_apt(tmp_path, sources_list=same, debian_sources=text)) == [
        "http://a.example/debian",
        "http://b.example/debian",
    ]


def test_files_that_apt_ignores_are_ignored(tmp_path):
    assert debian_uris(etc_apt(tmp_path, debian_sources_save=BOOKWORM)) == []


def test_without_a_debian_archive_the_refusal_says_where_it_looked(tmp_path):
    with pytest.raises(DeployError, match=f"no Debian archive is set up in {tmp_path}"):
        debian.fetch_debian(tmp_path / "servers", Progress(), etc_apt(tmp_path))


def test_an_archive_that_cannot_be_reached_leaves_nothing_half_made(tmp_path):
    folder = etc_apt(tmp_path, sources_list="deb http://127.0.0.1:9/debian bookworm main\n")
    with pytest.raises(DeployError, match="package lists failed"):
        debian.fetch_debian(tmp_path / "servers", Progress(), folder)
    assert not (tmp_path / "servers").exists()
