# certificates.sh FOLDER: what the TLS rows need, made anew at each run: ca.pem and, signed by it,
# good (localhost and 127.0.0.1), wrong-host and expired; signed by nobody else, self-signed; by a
# stranger, unknown-ca. Each has NAME.pem and NAME.key.
set -eu
cd "$1"

new_ca() { # NAME
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
        -subj "/CN=$1" -keyout "$1.key" -out "$1.pem" 2>openssl.log
}

sign() { # NAME CA SUBJECT-NAMES [DATES…]
    name=$1 ca=$2 names=$3
    shift 3
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$name" \
        -keyout "$name.key" -out "$name.csr" 2>>openssl.log
    mkdir -p "$name.d"
    : >"$name.d/index"
    cat >"$name.d/config" <<END
[ca]
default_ca = here
[here]
new_certs_dir = $name.d
database = $name.d/index
rand_serial = yes
default_md = sha256
policy = any
x509_extensions = extensions
[any]
commonName = supplied
[extensions]
subjectAltName = $names
END
    openssl ca -batch -notext -config "$name.d/config" -cert "$ca.pem" -keyfile "$ca.key" \
        -in "$name.csr" -out "$name.pem" "$@" 2>>openssl.log
}

new_ca ca
new_ca stranger
here="DNS:localhost,DNS:here.invalid,IP:127.0.0.1"
sign good ca "$here" -days 30
sign wrong-host ca DNS:elsewhere.example -days 30
sign expired ca "$here" -startdate 20200101000000Z -enddate 20200201000000Z
sign unknown-ca stranger "$here" -days 30
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
    -subj "/CN=localhost" -addext "subjectAltName=$here" -keyout self-signed.key \
    -out self-signed.pem 2>>openssl.log
