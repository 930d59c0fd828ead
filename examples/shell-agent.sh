#!/bin/sh
# An agent in plain shell: the prompt is on standard input, and `agent-jobs report` sends the result.
# It says what is wrong with a result that is refused, and exits with a code other than 0.
set -eu

words=$(wc -w)
agent-jobs report "{\"words\": $((words))}"
