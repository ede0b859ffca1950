# SPDX-License-Identifier: Apache-2.0
"""The client against the real application in C, and against guests that misbehave."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from loopback_guest import Config, Loopback, build, samples

from trainbed.backends.base import Budget
from trainbed.errors import GuestReset, LinkLost, ProtocolError
from trainbed.link import frames, messages
from trainbed.link.client import Client, RequestRefused
from trainbed.link.codes import ErrorCode, TFormat, XFormat
from trainbed.link.frames import Frame

CONFIG = Config(resident_samples=10)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.getbasetemp() / "loopback"


@pytest.fixture
def guest(folder: Path) -> Iterator[Loopback]:
    guest = Loopback(build(CONFIG, folder, sanitize=True))
    guest.start()
    yield guest
    guest.close()


@pytest.fixture
def client(guest: Loopback) -> Client:
    client = Client(guest)
    client.connect()
    return client


def refused(call: Callable[[], object]) -> tuple[ErrorCode, int]:
    with pytest.raises(RequestRefused) as caught:
        call()
    return ErrorCode(caught.value.error), caught.value.detail


def test_the_guest_says_what_it_was_built_for(client: Client) -> None:
    info = client.info
    assert (info.n_inputs, info.n_outputs, info.n_parameters) == (5, 3, 40)
    assert (info.x_format, info.t_format, info.sample_bytes) == (XFormat.F32, TFormat.LABEL, 24)
    assert (info.rx_bytes, info.tx_bytes, info.resident_samples) == (128, 128, 10)
    assert info.rx_payload_bytes == frames.payload_bytes(info.rx_bytes)
    assert info.fingerprint == 0x5AFE1234


def test_parameters_come_back_as_they_were_written(client: Client) -> None:
    values = np.random.default_rng(1).standard_normal(40).astype(np.float32)
    client.write_parameters(values)
    assert client.read_parameters().tobytes() == values.tobytes()


def test_an_undisturbed_link_repeats_nothing(client: Client) -> None:
    client.init(3)
    client.read_parameters()
    assert client.counters.repeats == client.counters.silences == client.counters.damaged == 0
    assert client.counters.reasons == {"empty": 1}  # the question whether the guest listens
    report = client.status()
    assert (report.n_damaged, report.n_overflows, report.n_repeats) == (0, 0, 0)
    assert report.n_frames == client.counters.frames


def test_the_sequence_number_wraps_without_a_stumble(client: Client) -> None:
    for _ in range(0x10000 + 10):
        client.status()
    assert client.counters.repeats == 0
    assert client.status().n_repeats == 0


def test_the_largest_request_fits_and_a_larger_one_is_not_sent(guest: Loopback, client: Client) -> None:
    client.write_samples(0, b"\x01" * client.info.sample_bytes * 10)
    before = guest.exchanges
    with pytest.raises(ProtocolError, match="granted 128"):
        client.evaluate_samples(0, b"\x01" * 240)
    assert guest.exchanges == before


def test_requests_out_of_range_are_refused_and_change_nothing(client: Client, guest: Loopback) -> None:
    client.init(1)
    ten = np.zeros(1, dtype=np.uint16) + 10
    assert refused(lambda: client.train_indexed(0, ten, batch_samples=1)) == (ErrorCode.OUT_OF_RANGE, 0)
    assert refused(lambda: client.write_samples(10, b"x")) == (ErrorCode.OUT_OF_RANGE, 240)
    assert refused(lambda: client.set_targets(np.zeros(17))) == (ErrorCode.OUT_OF_RANGE, 17)
    assert refused(lambda: client.train_samples(0, b"abc", batch_samples=1))[0] == ErrorCode.BAD_LENGTH
    assert refused(lambda: client.predict(b"abc"))[0] == ErrorCode.BAD_LENGTH
    zero = np.zeros(1, dtype=np.uint16)
    assert refused(lambda: client.train_indexed(0, zero, batch_samples=0))[0] == ErrorCode.OUT_OF_RANGE
    assert refused(lambda: client._request(messages.ReadParameters(30, 11), messages.Parameters)) == (
        ErrorCode.OUT_OF_RANGE,
        30,
    )
    assert refused(lambda: client._request(messages.ReadParameters(0xFFFFFFFF, 2), messages.Parameters))[0] == (
        ErrorCode.OUT_OF_RANGE
    )
    assert guest.records() == []


def test_more_parameters_than_the_transmit_buffer_takes_are_refused(client: Client) -> None:
    room = (client.info.tx_payload_bytes - 4) // 4
    assert room < client.info.n_parameters
    answer = client._request(messages.ReadParameters(0, room), messages.Parameters)
    assert len(answer.values) == room
    for count in (room + 1, 40, 0xFFFFFFFF):
        read = messages.ReadParameters(0, count)
        assert refused(lambda read=read: client._request(read, messages.Parameters)) == (ErrorCode.OUT_OF_RANGE, count)


def test_writing_parameters_starts_the_optimizer_anew(client: Client) -> None:
    data = samples(CONFIG, 4).encode(np.arange(4))
    weights = np.arange(40, dtype=np.float32)
    results = []
    for _ in range(2):
        client.write_parameters(weights)
        for position in (0, 4):
            client.train_samples(position, data, batch_samples=2)
        client.train_samples(8, data, batch_samples=3)  # leaves one sample in a batch that is never applied
        results.append(client.read_parameters().tobytes())
    assert results[0] == results[1]


def test_a_label_without_output_is_refused_before_any_sample_is_trained(client: Client, guest: Loopback) -> None:
    client.init(1)
    set_ = samples(CONFIG, 2)
    assert set_.labels is not None
    set_.labels[1] = 3
    data = set_.encode(np.arange(2))
    assert refused(lambda: client.train_samples(0, data, batch_samples=2)) == (ErrorCode.OUT_OF_RANGE, 1)
    assert guest.records() == []


def test_training_needs_weights_the_right_position_and_one_batch_size(client: Client) -> None:
    data = samples(CONFIG, 3).encode(np.arange(3))
    assert refused(lambda: client.train_samples(0, data, batch_samples=4)) == (ErrorCode.BAD_STATE, 0)
    client.init(1)
    assert client.train_samples(0, data, batch_samples=4).n_samples == 3
    assert refused(lambda: client.train_samples(0, data, batch_samples=4)) == (ErrorCode.BAD_STATE, 3)
    assert refused(lambda: client.train_samples(3, data, batch_samples=5)) == (ErrorCode.BAD_STATE, 4)
    assert client.status().batch_samples == 3
    assert client.train_samples(3, data, batch_samples=4).n_samples == 6


def test_an_unknown_request_is_refused_and_the_session_goes_on(client: Client) -> None:
    class Unknown(messages.Message, code=0x6F):
        def encode(self) -> bytes:
            return b""

    try:
        assert refused(lambda: client._request(Unknown(), messages.Ack)) == (ErrorCode.UNKNOWN_MESSAGE, 0x6F)
    finally:
        del messages.Message.by_code[0x6F]
    client.init(1)


def test_a_restart_in_the_middle_of_a_session_is_told_and_a_new_session_works(guest: Loopback, client: Client) -> None:
    client.init(1)
    guest.restart()
    with pytest.raises(GuestReset, match="in the middle of a session"):
        client.init(2)
    client.connect()
    client.init(2)


def test_a_restart_is_told_even_when_the_ready_was_lost(guest: Loopback, client: Client) -> None:
    guest.restart()
    guest.exchange(b"", budget=Budget())  # takes READY away
    with pytest.raises(GuestReset, match="forgotten the session"):
        client.status()


def test_a_repeated_request_is_answered_with_the_very_same_bytes(guest: Loopback, client: Client) -> None:
    client.init(1)
    data = samples(CONFIG, 4).encode(np.arange(4))
    request = messages.TrainSamples(position=0, batch_samples=2, samples=data)
    raw = frames.encode(Frame(code=request.code, seq=2, payload=request.encode()))
    first = guest.exchange(raw, budget=Budget())
    n_records = len(guest.records())
    for _ in range(3):
        assert guest.exchange(b"\x05garbage\x00", budget=Budget()) != first  # a NAK in between does no harm
        assert guest.exchange(raw, budget=Budget()) == first
    assert len(guest.records()) == n_records > 0
    assert client.train_samples(0, data, batch_samples=2).n_samples == 4  # it has sequence number 2 as well
    assert len(guest.records()) == n_records


def test_a_frame_of_another_version_is_not_executed(guest: Loopback) -> None:
    raw = frames.encode(Frame(code=messages.Hello.code, seq=0, payload=messages.Hello(2).encode(), version=2))
    answer = [frames.decode(piece) for piece in frames.split(guest.exchange(raw, budget=Budget()))[0]]
    assert messages.decode(messages.Nak, answer[-1].payload).reason == 6


def test_noise_never_crashes_the_guest_and_is_always_answered(guest: Loopback) -> None:
    rng = np.random.default_rng(5)
    guest.exchange(b"\x00", budget=Budget())
    for _ in range(3_000):
        noise = bytes(rng.integers(1, 256, int(rng.integers(0, 200)), dtype=np.uint8)) + b"\x00"
        (answer,) = frames.split(guest.exchange(noise, budget=Budget()))[0]
        assert frames.decode(answer).code == messages.Nak.code
    assert guest.records() == []


def test_any_payload_with_a_right_crc_is_answered_and_never_crashes_the_guest(guest: Loopback) -> None:
    """Requests with every code and random contents: the sanitizers watch the application."""
    rng = np.random.default_rng(6)
    codes = {m.code for m in messages.ANSWERS} - {messages.Ready.code, messages.Nak.code}
    answers = set()
    hello = frames.encode(Frame(code=messages.Hello.code, seq=0, payload=messages.Hello(1).encode()))
    guest.exchange(hello, budget=Budget())
    for seq in range(1, 6_000):
        size = int(rng.integers(0, 100))
        payload = bytes(rng.integers(0, 256, size, dtype=np.uint8))
        if rng.random() < 0.7:  # small numbers: some are valid
            payload = rng.integers(0, 4, size // 4).astype("<u4").tobytes()
        raw = frames.encode(Frame(code=int(rng.integers(1, 0x10)), seq=seq, payload=payload))
        (answer,) = frames.split(guest.exchange(raw, budget=Budget()))[0]
        assert frames.decode(answer).code in codes
        assert frames.decode(answer).seq == seq
        answers.add(frames.decode(answer).code)
    assert answers == codes


class WithoutDelimiter:
    """A line that takes the delimiter off every request; a lone one gets through."""

    def __init__(self, guest: Loopback) -> None:
        self._guest = guest

    def exchange(self, data: bytes, *, budget: Budget) -> bytes:
        return self._guest.exchange(data[:-1] or data, budget=budget)


def test_a_lone_delimiter_completes_a_request_that_lost_its_own(guest: Loopback) -> None:
    client = Client(WithoutDelimiter(guest))  # type: ignore[arg-type]
    client.connect()
    client.init(1)
    report = client.status()
    assert (report.n_frames, report.n_damaged, report.n_repeats) == (3, 0, 0)
    assert client.counters.silences == 3
    assert client.counters.repeats == 0


class Scripted:
    """A guest that answers what it is told to."""

    backend = version = "scripted"

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)

    def exchange(self, data: bytes, *, budget: Budget) -> bytes:
        return self.answers.pop(0) if self.answers else b""


def frame(message: messages.Message, seq: int = 0) -> bytes:
    return frames.encode(Frame(code=message.code, seq=seq, payload=message.encode()))


READY = frame(messages.Ready(protocol=1, grant=64))


def test_a_mute_guest_is_given_up_at_connect() -> None:
    with pytest.raises(LinkLost, match="did not grant any credit in 4 attempts"):
        Client(Scripted(), retries=4).connect()  # type: ignore[arg-type]


def test_an_answer_of_another_kind_is_a_protocol_error() -> None:
    with pytest.raises(ProtocolError, match="answered Hello with message 0x82, not Info"):
        Client(Scripted(READY, frame(messages.Ack()))).connect()  # type: ignore[arg-type]


def test_an_answer_to_another_request_is_not_taken_for_this_one() -> None:
    guest = Scripted(READY, frame(messages.Ack(), seq=7), b"", b"", b"")
    with pytest.raises(LinkLost, match="no answer to Hello"):
        Client(guest, retries=3).connect()  # type: ignore[arg-type]
