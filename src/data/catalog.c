/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of data sets. Preparations are those of the published training runs ([SDE], [NCSNv2], [DDPM]); a
 * new set is a row.
 */
#include "data/catalog.h"

#include <stdio.h>
#include <string.h>

#define IDX_FILES                                                                                            \
    .train = {"train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"},                                   \
    .test = {"t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"}
/* LSUN: the largest square, cubic; at 128 pixels the shorter side shrinks first, by triangles. */
#define LSUN                                                                                                 \
    .read = ito__folder_set_read, .prepare = {.filter = ITO__FILTER_CUBIC}, .other_size = 128,               \
    .prepare_other = {.resize_first = true}

static const ito__source sources[] = {
    {
        .name = "fashion_mnist",
        .read = ito__idx_set_read,
        .path = "/usr/share/datasets/fashion-mnist",
        .get = "get it with \"apt-get install dataset-fashion-mnist\"",
        .again = "use \"apt-get install --reinstall dataset-fashion-mnist\"",
        .prepare = {.pad = true},
        .channels = 1,
        .classes = 10,
        IDX_FILES,
    },
    {
        .name = "mnist",
        .read = ito__idx_set_read,
        .path = "data/mnist",
        .get = "put the four files of MNIST, or of a set of its form, there",
        .again = "get it again",
        .prepare = {.pad = true},
        .channels = 1,
        .classes = 10,
        IDX_FILES,
    },
    {
        .name = "cifar10",
        .read = ito__cifar_set_read,
        .path = "data/cifar10",
        .get = "unpack cifar-10-binary.tar.gz of www.cs.toronto.edu/~kriz/cifar.html there",
        .again = "unpack cifar-10-binary.tar.gz again",
        .channels = 3,
        .classes = 10,
    },
    {
        .name = "celeba",
        .read = ito__folder_set_read,
        .path = "data/celeba",
        .get = "put the 202599 files of img_align_celeba there",
        .prepare = {.crop = 140},
        .whole = 202599,
        .first = 162770,
        .last = 19962,
    },
    {
        .name = "celebahq",
        .read = ito__folder_set_read,
        .path = "data/celebahq",
        .get = "put the images of CelebA-HQ there",
        .prepare = {.filter = ITO__FILTER_BOX},
    },
    {
        .name = "ffhq",
        .read = ito__folder_set_read,
        .path = "data/ffhq",
        .get = "put the files of images1024x1024 of FFHQ there",
        .prepare = {.filter = ITO__FILTER_BOX},
    },
    {
        .name = "lsun_bedroom",
        .path = "data/lsun_bedroom",
        .get = "put the images of LSUN's bedroom_train_lmdb, exported as files, there",
        LSUN,
    },
    {
        .name = "lsun_church",
        .path = "data/lsun_church",
        .get = "put the images of LSUN's church_outdoor_train_lmdb, exported as files, there",
        LSUN,
    },
    {
        .name = "folder",
        .read = ito__folder_set_read,
        .get = "put PNG, JPEG or WebP files there",
    },
    {
        .name = "npz",
        .read = ito__npz_set_read,
        .get = "write images [n,H,W,C] there",
    },
};
enum { SOURCES = sizeof sources / sizeof sources[0] };

const char *ito_dataset_name(int index) {
    return index >= 0 && index < SOURCES ? sources[index].name : NULL;
}

ito_status ito__source_find(const char *name, const ito__source **out, ito_error *err) {
    char known[512] = "";
    for (int i = 0; i < SOURCES; i++) {
        if (strcmp(sources[i].name, name) == 0) {
            *out = &sources[i];
            return ITO_OK;
        }
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", i == 0 ? "" : ", ", sources[i].name);
    }
    return ito_error_set(
        err, ITO_E_ARG, "data.dataset: \"%.64s\" is not known: use one of %s, points, gmm:NAME", name, known);
}

ito_status ito__source_missing(const ito__source *s, const char *path, const char *what, ito_error *err) {
    return ito_error_set(err, ITO_E_IO, "%.700s: is missing: %s, or set data.path to %s", path, s->get, what);
}

ito_status ito__source_path(const char *folder, const char *name, char path[ITO__FILE_PATH], ito_error *err) {
    int length = snprintf(path, ITO__FILE_PATH, "%s/%s", folder, name);
    if (length >= 0 && length < ITO__FILE_PATH) return ITO_OK;
    return ito_error_set(err, ITO_E_ARG, "data.path: is longer than %d letters: use a shorter one",
                         ITO__FILE_PATH - 1);
}
