#!/bin/sh
# What `digitflow up` does with a server of its own: the pool, the queue in which one training
# waits for the other, and the deployments of prefect.yaml.
set -eu
digitflow prefect work-pool inspect local > /dev/null 2>&1 \
	|| digitflow prefect work-pool create local --type process
digitflow prefect work-queue inspect training --pool local > /dev/null 2>&1 \
	|| digitflow prefect work-queue create training --pool local --limit 1
exec digitflow prefect --no-prompt deploy --all
