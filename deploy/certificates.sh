#!/bin/sh
# Makes certificates for the links between replicas: an authority for the cluster, and a certificate for each replica.
#
#   deploy/certificates.sh FOLDER LABEL=HOST …
#
# HOST is the host of the replica's anti-entropy address (an IP address or a name). The first run makes the authority
# (ca.pem, ca.key), and each run makes LABEL.pem and LABEL.key. Copy ca.pem and its own two files to the machine of a
# replica. Keep ca.key where certificates are made: with it, anyone can make a certificate for a replica.
set -eu
umask 077

if [ $# -lt 2 ]; then
    sed -n 's/^# \{0,1\}//; 2,10p' "$0" >&2
    exit 2
fi
folder=$1
shift
days=825
mkdir -p "$folder"

new_key() {
    openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"
}

if [ ! -f "$folder/ca.key" ]; then
    new_key "$folder/ca.key"
    openssl req -x509 -new -key "$folder/ca.key" -days 3650 -subj "/CN=Bayou replicas" -out "$folder/ca.pem" \
        -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign"
fi

for pair in "$@"; do
    label=${pair%%=*}
    host=${pair#*=}
    case $host in
        *[!0-9.]*:*|*:*) name="IP:$host" ;;
        *[!0-9.]*) name="DNS:$host" ;;
        *) name="IP:$host" ;;
    esac
    new_key "$folder/$label.key"
    extensions="subjectAltName=$name
extendedKeyUsage=serverAuth,clientAuth
keyUsage=critical,digitalSignature
basicConstraints=critical,CA:FALSE"
    request=$(openssl req -new -key "$folder/$label.key" -subj "/CN=$label")
    printf '%s\n' "$extensions" > "$folder/.extensions"
    printf '%s\n' "$request" | openssl x509 -req -CA "$folder/ca.pem" -CAkey "$folder/ca.key" -days "$days" \
        -extfile "$folder/.extensions" -set_serial "0x$(openssl rand -hex 16)" -out "$folder/$label.pem" 2>/dev/null
    rm "$folder/.extensions"
    echo "$folder/$label.pem and $label.key, for $host, $days days"
done
