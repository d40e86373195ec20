#!/usr/bin/env python3
"""The comparison program in DuckDB: total match_count of every word, sorted by the words' bytes.

usage: peer_duckdb.py OUTPUT THREADS FILE...     (plain or .gz)

Nothing is left to be guessed by the reader (delimiter, types, header). Quotes are bytes like others
in n-grams, hence the empty `quote` and `escape` both ways. Columns that the query does not name are
not converted. Other settings tried on 1.5 GB and within the noise: buffer_size of 8 and 64 MiB,
strict_mode=false, new_line, 32-bit counts, sum_no_overflow.
"""

import sys

import duckdb

QUERY = r"""
COPY (
    SELECT word, sum(match_count)
    FROM read_csv({files}, delim='\t', header=false, quote='', escape='', auto_detect=false, parallel=true,
                  columns={{'word': 'VARCHAR', 'year': 'SMALLINT',
                            'match_count': 'BIGINT', 'volume_count': 'BIGINT'}})
    GROUP BY word
    ORDER BY word
) TO {output} (FORMAT csv, DELIMITER '\t', HEADER false, QUOTE '', ESCAPE '')
"""


def literal(text):
    """Return `text` as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def total(output, threads, files):
    """Write each word's total to the file `output`."""
    database = duckdb.connect(config={"threads": threads})
    database.execute("SET preserve_insertion_order = false")
    file_list = "[" + ", ".join(literal(file) for file in files) + "]"
    database.execute(QUERY.format(files=file_list, output=literal(output)))


def main():
    """Run the query on the command line's files."""
    if len(sys.argv) < 4:
        sys.exit("usage: peer_duckdb.py OUTPUT THREADS FILE...")
    total(sys.argv[1], int(sys.argv[2]), sys.argv[3:])


if __name__ == "__main__":
    main()
