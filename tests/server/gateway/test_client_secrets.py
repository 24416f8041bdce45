"""The life of an ephemeral secret."""

from __future__ import annotations

import pytest

from server.errors import TooManySecretsError, UnauthorizedError
from server.gateway.client_secrets import AFTERLIFE_S, SESSION_BYTES, ClientSecrets
from server.protocol.session_object import SessionObject, WireVoice
from tests.fakes.set_clock import SetClock

pytestmark = pytest.mark.unit

PLAIN = SessionObject(model="pocket")


def test_a_secret_is_long_random_text_that_fits_a_header_and_a_subprotocol() -> None:
    secrets = ClientSecrets(SetClock(), 100)
    values = {secrets.issue(PLAIN, 60) for _ in range(100)}
    assert len(values) == 100
    for value in values:
        prefix, _, random = value.partition("_")
        assert prefix == "ek"
        assert len(random) * 6 >= 128, "bits"
        assert random.replace("-", "").replace("_", "").isalnum() and random.isascii()


def test_a_secret_serves_any_number_of_times_until_it_expires() -> None:
    clock = SetClock(1000.0)
    secrets = ClientSecrets(clock, 4)
    value = secrets.issue(PLAIN, 10)
    clock.now_s += 9.999
    assert secrets.find(value) == secrets.find(value)
    assert secrets.find(value).session is PLAIN
    clock.now_s += 0.001
    with pytest.raises(UnauthorizedError, match="expired"):
        secrets.find(value)


def test_the_secret_itself_is_not_kept() -> None:
    secrets = ClientSecrets(SetClock(), 4)
    value = secrets.issue(PLAIN, 10)
    assert value not in repr(vars(secrets))
    assert value.encode() not in b"".join(secrets._issued)


def test_holders_are_told_apart_and_stay_who_they_are() -> None:
    clock = SetClock()
    secrets = ClientSecrets(clock, 4)
    one, other = secrets.issue(PLAIN, 10), secrets.issue(PLAIN, 10)
    names = secrets.find(one).user_id, secrets.find(other).user_id
    assert names[0] != names[1]
    assert (secrets.holder(one), secrets.holder(other)) == names
    clock.now_s += 10
    assert (secrets.holder(one), secrets.holder(other)) == names


def test_the_holder_of_an_expired_secret_is_forgotten_after_a_day() -> None:
    clock = SetClock()
    secrets = ClientSecrets(clock, 4)
    value = secrets.issue(PLAIN, 10)
    clock.now_s += 10 + AFTERLIFE_S - 1
    secrets.holder(value)
    clock.now_s += 1
    with pytest.raises(UnauthorizedError):
        secrets.holder(value)
    assert not secrets._issued and not secrets._expired


def test_when_all_places_are_taken_new_secrets_are_refused_and_old_ones_stay_valid() -> None:
    clock = SetClock()
    secrets = ClientSecrets(clock, 2)
    values = [secrets.issue(PLAIN, 10), secrets.issue(PLAIN, 20)]
    with pytest.raises(TooManySecretsError, match="2 ephemeral secrets"):
        secrets.issue(PLAIN, 10)
    for value in values:
        secrets.find(value)
    clock.now_s += 10
    values.append(secrets.issue(PLAIN, 10))
    for value in values[1:]:
        secrets.find(value)


def test_what_secrets_carry_is_bounded_in_bytes() -> None:
    clock = SetClock()
    secrets = ClientSecrets(clock, 100, max_stored_bytes=3 * SESSION_BYTES + 2000)
    secrets.issue(SessionObject(model="pocket", voice=WireVoice("mine", bytes(1000))), 10)
    secrets.issue(SessionObject(model="pocket", instructions="好" * 333), 10)
    with pytest.raises(TooManySecretsError):
        secrets.issue(SessionObject(model="pocket", instructions="too"), 10)
    secrets.issue(PLAIN, 10)
    clock.now_s += 10
    for _ in range(3):
        secrets.issue(PLAIN, 10)


def test_as_many_expired_secrets_are_remembered_as_valid_ones() -> None:
    clock = SetClock()
    secrets = ClientSecrets(clock, 2)
    values = []
    for _ in range(3):
        values.append(secrets.issue(PLAIN, 10))
        clock.now_s += 10
    with pytest.raises(UnauthorizedError):
        secrets.holder(values[0])
    for value in values[1:]:
        secrets.holder(value)
