#!/bin/bash
# Succeeds if every model in models.config has a version that is AVAILABLE, and names the
# others on the error stream. It needs bash, sed and grep, since the image of TensorFlow
# Serving has no curl, and the server does not implement gRPC's health checks.
#
#   probe.sh            all models in models.config
#   probe.sh startup    the same; if it succeeds, their names are written to $STATE
#   probe.sh ready      the models in $STATE that models.config still has, so that a model
#                       which is added later does not take a running server out of
#                       service while it loads
#
# Variables: PORT of the REST API, and STATE, a file in a folder that can be written.
mode=${1:-all}
port=${PORT:-8501}
state=${STATE:-/tmp/models-at-startup}

models() {
    sed 's/#.*//' "$(dirname "$0")/models.config" \
        | grep -oE '(^|[[:space:]{])name:[[:space:]]*"[^"]+"' | grep -oE '[^"]+"$' | tr -d '"'
}

is_available() (
    exec 3<>"/dev/tcp/127.0.0.1/$port" || exit 1
    printf 'GET /v1/models/%s HTTP/1.0\r\n\r\n' "$1" >&3
    grep -qE '"state": *"AVAILABLE"' <&3
)

names=$(models)
if [[ $mode == ready && -s $state ]]; then
    known=$(grep -xFf "$state" <<<"$names")
    names=${known:-$names}
fi
if [[ -z $names ]]; then
    echo "models.config has no models to ask for" >&2
    exit 1
fi
for name in $names; do
    if ! is_available "$name"; then
        echo "no version of $name is AVAILABLE" >&2
        exit 1
    fi
done
if [[ $mode == startup ]]; then
    printf '%s\n' "$names" >"$state"
fi
