"""Reading files of people: what they are, row by row, in constant memory."""

from intake.readers.ahead import read_ahead
from intake.readers.files import Layout, examine_file, read_rows
from intake.readers.participants import ParticipantReader
from intake.readers.rows import Chunk, Listed
from intake.readers.suppressions import SuppressionReader

__all__ = [
    "Chunk",
    "Layout",
    "Listed",
    "ParticipantReader",
    "SuppressionReader",
    "examine_file",
    "read_ahead",
    "read_rows",
]
