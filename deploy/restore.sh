#!/bin/sh
# Restores the folder of a stopped replica from a copy that backup.sh has made. The folder that is there is kept beside it.
#
#   deploy/restore.sh COPY FOLDER
#   deploy/restore.sh /var/backups/bayou/one-20261201T031500.tar.gz /var/lib/bayou/one
#
# Start the replica afterwards, the others first: it sees that it is a copy, and asks them what it lacks.
set -eu
umask 077

if [ $# -ne 2 ]; then
    sed -n '2,7s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
copy=$1
folder=${2%/}

label=$(basename "$folder")
parent=$(dirname "$folder")
for lock in lock redis.pid; do # of the replica, and of its Redis, which may still run
    if [ -f "$folder/$lock" ] && ! flock --nonblock "$folder/$lock" true; then
        echo "The replica of $folder is running. Stop it first." >&2
        exit 1
    fi
done
fresh=$(mktemp -d "$parent/.restore.XXXXXX")
trap 'rm -rf "$fresh"' EXIT
if ! tar -C "$fresh" -xzpf "$copy" || { [ ! -f "$fresh/$label/identity.json" ] && [ ! -f "$fresh/$label/birth.json" ]; }; then
    echo "$copy is not a whole copy of a replica $label. Name another copy, or the folder that its label asks for." >&2
    exit 1
fi
if [ -e "$folder" ]; then
    former="$folder.replaced-$(date +%Y%m%dT%H%M%S)"
    mv "$folder" "$former"
    echo "$former has what was there. Delete it when you no longer need it."
fi
mv "$fresh/$label" "$folder"
echo "$folder is the copy now."
