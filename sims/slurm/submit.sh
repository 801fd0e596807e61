#!/usr/bin/env bash
# One sweep as an array of shards, then the collection of what they made, whatever became of them:
#   sims/slurm/submit.sh SIM OUT [SHARDS]
# MFSYM names the program, by default that of .venv or of the PATH. Options for every job go into SBATCH_OPTIONS.
set -eu
sim=${1:?the sweep file}
out=${2:?the result, .nc}
shards=${3:-16}
here=$(cd "$(dirname "$0")" && pwd)
mfsym=${MFSYM:-$([ -x .venv/bin/mfsym ] && echo .venv/bin/mfsym || command -v mfsym)}
logs=$(dirname "$out")/logs
mkdir -p "$logs"

"$mfsym" sweep "$sim" -o "$out" --dry-run
# afterany: a cell that diverged or failed makes its shard end with 1, and the others are worth collecting.
options=(${SBATCH_OPTIONS:-})
array=$(sbatch --parsable "${options[@]}" --array="1-$shards" --output="$logs/%x-%A-%a.log" --export="ALL,MFSYM=$mfsym" \
    "$here/sweep.sbatch" "$sim" "$out")
collect=$(sbatch --parsable "${options[@]}" --dependency="afterany:${array%%;*}" --job-name=mfsym-collect \
    --output="$logs/%x-%j.log" --wrap "$mfsym collect $out")
echo "shards: job $array, 1 to $shards; collection: job $collect; logs: $logs"
