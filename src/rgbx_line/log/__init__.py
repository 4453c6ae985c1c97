"""The log of a line, which is the truth: whatever else there is, an index, cursors, pages, is made from it."""

from rgbx_line.log.entry import Entry
from rgbx_line.log.line_log import LineLog
from rgbx_line.log.segments import Position, read_entries
from rgbx_line.log.verify import verify

__all__ = ["Entry", "LineLog", "Position", "read_entries", "verify"]
