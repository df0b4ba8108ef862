#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs the build into a folder of its own and compiles programs against it as a user would: by pkg-config with the
# shared and the static library, and by CMake's find_package.
#   check-install.sh BUILD_FOLDER
set -eu
build=$(cd "$1" && pwd)
examples=$(cd "$(dirname "$0")/../docs/examples" && pwd)
place=$build/install-check
rm -rf "$place"
cmake --install "$build" --prefix "$place" >/dev/null
cd "$place"

mkdir consumer
cat >consumer/main.c <<'END'
#include <ito/ito.h>
#include <stdio.h>

int main(void) {
    ito_recipe r = ito_recipe_default();
    ito_error err;
    if (ito_recipe_set(&r, "training.lr=1e-3", &err) != ITO_OK || ito_recipe_check(&r, "recipe", &err) != ITO_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    printf("ito %s\n", ITO_VERSION);
    return 0;
}
END
cat >consumer/CMakeLists.txt <<'END'
cmake_minimum_required(VERSION 3.25)
project(consumer LANGUAGES C)
find_package(ito 0.1 REQUIRED)
add_executable(consumer main.c)
target_link_libraries(consumer PRIVATE ito::ito)
END

pc=$(dirname "$(find "$PWD" -name ito.pc)")
library=$(dirname "$pc")
export PKG_CONFIG_PATH="$pc" LD_LIBRARY_PATH="$library"

# shellcheck disable=SC2046 # the words are options
{
    cc -o shared consumer/main.c $(pkg-config --cflags --libs ito)
    ./shared
    cc -o static consumer/main.c $(pkg-config --cflags --libs --static ito | sed "s,-lito,$library/libito.a,")
    env -u LD_LIBRARY_PATH ./static
    cc -o banana "$examples/banana.c" $(pkg-config --cflags --libs ito) -lm
    ./banana
}
cmake -S consumer -B consumer/build -G Ninja -DCMAKE_PREFIX_PATH="$PWD" >/dev/null
cmake --build consumer/build >/dev/null
consumer/build/consumer
bin/ito --version
