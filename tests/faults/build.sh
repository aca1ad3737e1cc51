# build.sh FOLDER [small]: builds the proxy and its company there, and makes the certificates. What
# only some rows need and cannot be built here is left out; those rows say so. small: only what is
# needed to run kelp under boundary.c.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=$1
cc=${CC:-cc}
flags="-std=gnu17 -O1 -g -Wall -Wextra -pthread"

$cc $flags -o "$folder/proxy" "$here/wire.c" "$here/fault.c" "$here/visit.c" "$here/proxy.c"
$cc $flags -shared -fPIC -o "$folder/boundary.so" "$here/../kill/boundary.c"
[ "${2:-}" != small ] || exit 0
$cc $flags -shared -fPIC -o "$folder/preload.so" "$here/preload.c" -ldl
if echo '#include <openssl/ssl.h>' | $cc -E - >/dev/null 2>&1 && command -v openssl >/dev/null; then
    sh "$here/certificates.sh" "$folder"
    $cc $flags -o "$folder/tls" "$here/wire.c" "$here/tls.c" -lssl -lcrypto
fi
# An empty list; a hundred megabytes in a hundred kilobytes, and the same once more.
printf '[]' | gzip >"$folder/small.gz"
head -c 100000000 /dev/zero | gzip -9 >"$folder/bomb.gz"
gzip -9 <"$folder/bomb.gz" >"$folder/nested.gz"
