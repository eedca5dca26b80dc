#!/bin/sh
# Copies the folder of a stopped replica. Keeps the newest 14 copies, and prints the name of the new one.
#
#   deploy/backup.sh FOLDER TARGET
#   deploy/backup.sh /var/lib/bayou/one /var/backups/bayou
#
# deploy/restore.sh puts a copy back.
set -eu
umask 077

if [ $# -ne 2 ]; then
    sed -n '2,7s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
folder=${1%/}
target=$2
kept=14

label=$(basename "$folder")
if [ ! -f "$folder/identity.json" ] && [ ! -f "$folder/birth.json" ]; then # the second is its name before 0.2.0
    echo "$folder is not the folder of a replica: there is no identity.json in it." >&2
    exit 1
fi
for lock in lock redis.pid; do # of the replica, and of its Redis, which may still run
    if [ -f "$folder/$lock" ] && ! flock --nonblock "$folder/$lock" true; then
        echo "The replica of $folder is running. Stop it first: files that change while they are copied are useless." >&2
        exit 1
    fi
done
mkdir -p "$target"
copy="$target/$label-$(date +%Y%m%dT%H%M%S).tar.gz"
tar -C "$(dirname "$folder")" --exclude='*.sock' --exclude=operator.token -czf "$copy.part" "$label"
mv "$copy.part" "$copy"
ls -1 "$target/$label"-*.tar.gz | sort -r | tail -n +$((kept + 1)) | xargs -r rm --
echo "$copy"
