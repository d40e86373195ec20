#!/usr/bin/env bash
# Installs what is missing, builds Millrace, and runs the main job on the data in this repository: the total match count of
# every word over three 1-gram files.
. "$(dirname "$0")/lib.sh"

install_missing "${build_packages[@]}"
build release -DMILLRACE_TESTS=OFF

say "millrace run ngrams tests/data/1gram-{a,b,c}.tsv.gz -o build/totals.tsv"
build/release/coordinator/millrace run ngrams tests/data/1gram-{a,b,c}.tsv.gz -o build/totals.tsv --overwrite

say "the ten words that occur most often, of $(wc -l <build/totals.tsv) in build/totals.tsv"
build/release/coordinator/millrace run ngrams tests/data/1gram-{a,b,c}.tsv.gz --top 10 --quiet
