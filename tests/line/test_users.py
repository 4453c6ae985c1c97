"""Who may do what on a line: roles in order, passwords that are hashed, a file for nobody else."""

import json
import logging
import stat
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rgbx.errors import InputError, RgbxError
from rgbx_line.users import LONGEST_PASSWORD, Role, Users

PASSWORD = "a long secret"


def people() -> Users:
    return Users({}).with_user("anna", PASSWORD, Role.ENGINEER)


def test_each_role_may_what_those_before_it_may() -> None:
    order = [Role.OPERATOR, Role.ENGINEER, Role.ADMINISTRATOR]
    for place, role in enumerate(order):
        assert [role.may(needed) for needed in order] == [needed <= place for needed in range(3)]


def test_a_missing_file_is_nobody(tmp_path: Path) -> None:
    users = Users.read(tmp_path / "users.json")
    assert users.roles == {}
    assert users.check("admin", "admin") is None
    assert users.check("", "") is None


def test_users_are_read_back(tmp_path: Path) -> None:
    path = tmp_path / "line" / "users.json"
    people().write(path)
    users = Users.read(path)
    assert users.roles == {"anna": Role.ENGINEER}
    assert users.check("anna", PASSWORD) is Role.ENGINEER
    assert users.check("anna", PASSWORD + " ") is None
    assert users.check("ann", PASSWORD) is None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert PASSWORD not in path.read_text()
    assert "$argon2id$" in path.read_text()


def test_a_password_is_neither_shown_nor_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(RgbxError) as refused:
        Users({}).with_user("anna", "secret", Role.OPERATOR)
    assert "secret" not in str(refused.value)
    assert "secret" not in caplog.text
    assert "$argon2" not in repr(people()._users)


def test_users_come_change_and_go() -> None:
    users = people().with_user("bert", "another secret", Role.OPERATOR)
    promoted = users.with_user("bert", "a third secret", Role.ADMINISTRATOR)
    assert promoted.check("bert", "another secret") is None
    assert promoted.check("bert", "a third secret") is Role.ADMINISTRATOR
    assert users.check("bert", "another secret") is Role.OPERATOR
    assert promoted.without("anna").roles == {"bert": Role.ADMINISTRATOR}
    with pytest.raises(RgbxError, match="choose from anna, bert"):
        users.without("carl")


@pytest.mark.parametrize("name", ["", " anna", "an:na", "../anna", "_anna", "an\nna", "a" * 65, "an na", "\udce9"])
def test_odd_names_are_refused(name: str) -> None:
    with pytest.raises(RgbxError, match="cannot be a user's name"):
        people().with_user(name, PASSWORD, Role.OPERATOR)


@pytest.mark.parametrize("password", ["", "9 letters", "x" * (LONGEST_PASSWORD + 1)])
def test_passwords_have_a_length(password: str) -> None:
    with pytest.raises(RgbxError, match="characters"):
        people().with_user("bert", password, Role.OPERATOR)


def test_a_password_that_cannot_be_written_is_refused() -> None:
    with pytest.raises(RgbxError, match="UTF-8"):
        people().with_user("bert", "\udce9" * 12, Role.OPERATOR)


def test_accents_may_be_typed_either_way() -> None:
    users = people().with_user("jörg", "Schlüssel-Wort", Role.OPERATOR)
    assert users.check("jo\u0308rg", "Schlu\u0308ssel-Wort") is Role.OPERATOR


def test_nobody_else_comes_in() -> None:
    users = people()

    @settings(max_examples=20, deadline=None)
    @given(name=st.text(), password=st.text(alphabet=st.characters()))
    def tried(name: str, password: str) -> None:
        assert users.check(name, password) is None

    tried()


def test_an_unknown_name_takes_as_long() -> None:
    users = people()

    def seconds(name: str) -> float:
        times = []
        for _ in range(3):
            began = time.process_time()
            users.check(name, "a wrong secret")
            times.append(time.process_time() - began)
        return min(times)

    assert 0.5 < seconds("anna") / seconds("nobody") < 2


@pytest.mark.parametrize(
    "content",
    [
        "no JSON",
        "[]",
        '{"users": {"anna": {"role": "king", "hash": ""}}}',
        '{"users": {"anna": {"role": "operator", "hash": "plain"}}}',
        '{"format": 2}',
    ],
)
def test_a_damaged_file_lets_nobody_in_and_says_so(tmp_path: Path, content: str) -> None:
    path = tmp_path / "users.json"
    path.write_text(content)
    with pytest.raises(InputError, match=r"users\.json"):
        Users.read(path)


def test_the_file_stays_whole_when_it_is_written_again(tmp_path: Path) -> None:
    path = tmp_path / "users.json"
    people().write(path)
    people().without("anna").write(path)
    assert json.loads(path.read_text()) == {"format": 1, "users": {}}
    assert list(tmp_path.iterdir()) == [path]
