"""The service beside a sorting line: an answer at the deadline, for the right part, and the truth on disk.

So far there is its log. Each part imports only from those before it.
"""
