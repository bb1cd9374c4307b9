/* SPDX-License-Identifier: MIT */
/* put_get.c -- put an array into a nameless store and read it in place. */
#include <objstore.h>

#include <stdio.h>

int main(void)
{
    static const float prices[4] = { 4.526f, 3.585f, 3.521f, 3.413f };
    const struct objstore_meta meta = {
        .dtype = OBJSTORE_FLOAT32, .ndim = 1, .dims = { 4 }, .name = "prices"
    };
    struct objstore_options options = OBJSTORE_OPTIONS_INIT;
    struct objstore *store;
    struct objstore_view view;
    struct objstore_id id;
    struct objstore_diag diag;

    options.capacity_bytes = 1 << 20;
    if (objstore_open(NULL, &options, &store, &diag)) {
        fprintf(stderr, "put_get: %s\n", diag.text);
        return 1;
    }
    objstore_id_from_name("prices", &id);
    int err = objstore_put(store, &id, prices, sizeof prices, &meta);
    if (!err)
        err = objstore_get(store, &id, 0, &view);
    if (err) {
        fprintf(stderr, "put_get: %s\n", objstore_strerror(err));
        objstore_close(store);
        return 1;
    }
    const float *read = view.data;
    printf("%zu bytes, the first price is %.3f\n", view.size, (double)read[0]);
    objstore_release(store, &view);
    objstore_close(store);
    return 0;
}
