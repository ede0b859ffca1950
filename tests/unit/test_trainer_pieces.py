# SPDX-License-Identifier: Apache-2.0
"""How an epoch is cut into messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainbed.trainer import Piece, pieces


@given(n=st.integers(1, 400), batch=st.integers(1, 90), room=st.integers(1, 120))
def test_pieces_cover_the_epoch_once_and_keep_batches_whole(n: int, batch: int, room: int) -> None:
    cut = list(pieces(n, batch, per_message=room))
    assert [i for piece in cut for i in range(piece.start, piece.start + piece.n)] == list(range(n))
    assert all(1 <= piece.n <= room for piece in cut)
    last = n % batch
    for piece in cut:
        is_last = piece.start >= n - last
        assert piece.batch_samples == (last if is_last else batch)
        if piece.batch_samples <= room:
            assert piece.start % batch == 0
            assert piece.n % piece.batch_samples == 0


@pytest.mark.parametrize(
    ("n", "batch", "room", "expected"),
    [
        (8, 4, 100, [Piece(0, 8, 4)]),
        (10, 4, 100, [Piece(0, 8, 4), Piece(8, 2, 2)]),
        (10, 4, 5, [Piece(0, 4, 4), Piece(4, 4, 4), Piece(8, 2, 2)]),
        (7, 5, 2, [Piece(0, 2, 5), Piece(2, 2, 5), Piece(4, 1, 5), Piece(5, 2, 2)]),
        (3, 8, 2, [Piece(0, 2, 3), Piece(2, 1, 3)]),
    ],
)
def test_pieces_are_cut_as_the_specification_shows(n: int, batch: int, room: int, expected: list[Piece]) -> None:
    assert list(pieces(n, batch, per_message=room)) == expected
