"""The configuration is executed only when nobody else can have written it: with a file that tells if it was."""

import os
import pwd

import pytest
from running import run, run_tool

from wfc3_cte_monitor.commands.setup import default_answers, set_up
from wfc3_cte_monitor.errors import ConfigurationError
from wfc3_cte_monitor.settings import read_settings, trust

STRANGER = 12345
"""A user id, and a group id, that nobody has."""


@pytest.fixture
def config(make_config, tmp_path):
    """A configuration in a folder of its own that says, when executed, so."""
    path = make_config(tmp_path / "home")
    path.write_text(path.read_text() + f"\nopen({str(tmp_path / 'executed')!r}, 'w').close()\n")
    path.parent.chmod(0o755)
    path.chmod(0o644)
    return path


@pytest.fixture
def refused(config, tmp_path):
    """The one line with which the configuration is refused; it must not have been executed."""

    def read(path=config):
        with pytest.raises(ConfigurationError) as caught:
            read_settings(path)
        assert not (tmp_path / "executed").exists()
        assert str(caught.value).startswith(f"{config}: is not executed: ")
        return str(caught.value)

    return read


def given_to(path, uid, gid=-1):
    """Hand a file over, which only root may."""
    try:
        os.chown(path, uid, gid)
    except PermissionError:
        pytest.skip("needs the right to hand files over to other users (root)")


def private_group(monkeypatch, name, *members):
    """Every group has this name and these members."""
    import grp

    monkeypatch.setattr(grp, "getgrgid", lambda gid: grp.struct_group((name, "x", gid, [*members])))


ME = pwd.getpwuid(os.geteuid()).pw_name


@pytest.mark.parametrize("mode", [0o644, 0o600, 0o400, 0o755])
def test_a_file_that_only_its_owner_writes_is_executed(config, tmp_path, mode):
    config.chmod(mode)
    read_settings(config)
    assert (tmp_path / "executed").exists()


@pytest.mark.parametrize("mode", [0o666, 0o646, 0o602, 0o777])
def test_a_file_that_everybody_writes_is_refused(config, refused, mode):
    config.chmod(mode)
    assert f"others can write it (mode {mode:o}); chmod go-w '{config}'" in refused()


def test_what_a_link_leads_to_counts(config, refused, tmp_path):
    config.chmod(0o666)
    link = tmp_path / "config.py"
    link.symlink_to(config)
    assert "mode 666" in refused(link)


@pytest.mark.parametrize(
    ("name", "members", "private"),
    [(ME, (), True), (ME, (ME,), True), (ME, (ME, "eve"), False), ("team", (), False), ("team", (ME,), False)],
)
def test_a_group_may_write_that_has_its_owner_alone(config, refused, monkeypatch, name, members, private):
    private_group(monkeypatch, name, *members)
    config.parent.chmod(0o775)
    config.chmod(0o664)
    if private:
        read_settings(config)
    else:
        assert "others can write it (mode 664)" in refused()
        config.chmod(0o644)
        assert "others can write the folder (mode 775)" in refused()


def test_a_group_without_a_name_is_not_private(config, refused):
    given_to(config, -1, STRANGER)
    config.chmod(0o660)
    assert "mode 660" in refused()


def test_a_file_of_somebody_else_is_refused(config, refused):
    given_to(config, STRANGER)
    assert f"it belongs to user {STRANGER}" in refused()


def test_a_file_of_root_is_executed_for_anybody(config, monkeypatch):
    given_to(config, 0)
    monkeypatch.setattr(os, "geteuid", lambda: STRANGER)
    read_settings(config)


def test_a_file_of_root_is_nothing_special_for_others(config, refused, monkeypatch):
    given_to(config, STRANGER + 1)
    monkeypatch.setattr(os, "geteuid", lambda: STRANGER)
    assert "belongs to" in refused()


def test_a_folder_in_which_others_replace_files_is_refused(config, refused):
    config.parent.chmod(0o777)
    assert f"others can write the folder (mode 777); chmod go-w '{config.parent}'" in refused()
    config.parent.chmod(0o1777)  # as /tmp: a sticky bit keeps what is not theirs
    read_settings(config)


def test_where_files_have_no_owners_nothing_is_asked(config, monkeypatch):
    config.chmod(0o666)
    monkeypatch.setattr(trust, "_has_owners", lambda: False)
    read_settings(config)


def test_both_commands_refuse_in_one_line(config, tmp_path):
    config.chmod(0o666)
    for outcome in (run(config, "--pr", "all"), run_tool("database", "create", "--config", config)):
        assert (outcome.code, outcome.out) == (2, "")
        (line,) = outcome.err.splitlines()
        assert f"error: {config}: is not executed" in line
    assert {path.name for path in tmp_path.rglob("*")} == {"home", "config.py"}


# ---- What initial_setup makes ----------------------------------------------------------------------------------------


@pytest.fixture(params=[0o000, 0o002, 0o022, 0o077], ids="{:03o}".format)
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_what_initial_setup_writes_is_executed_whatever_the_umask(tmp_path, umask):
    home = tmp_path / "new" / "home"
    read_settings(set_up(default_answers(home)))
    assert (home / "config.py").stat().st_mode & 0o777 == 0o644 & ~umask


def test_initial_setup_refuses_a_folder_of_everybody_before_it_makes_anything(tmp_path):
    tmp_path.chmod(0o777)
    with pytest.raises(ConfigurationError, match="others can write the folder"):
        set_up(default_answers(tmp_path))
    assert [*tmp_path.iterdir()] == []
