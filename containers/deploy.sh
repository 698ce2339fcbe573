#!/bin/sh
# What `digitflow up` does with a server of its own: the pool, the queue in which one training
# waits for the other, and the deployments of prefect.yaml.
set -eu
pool=${DIGITFLOW_POOL:-local}
digitflow prefect work-pool inspect "$pool" > /dev/null 2>&1 \
	|| digitflow prefect work-pool create "$pool" --type process
digitflow prefect work-queue inspect training --pool "$pool" > /dev/null 2>&1 \
	|| digitflow prefect work-queue create training --pool "$pool" --limit 1
exec digitflow prefect --no-prompt deploy --all
