# SPDX-License-Identifier: MIT
# peer.R PACKAGE TREES FOLDER: fits once and predicts once; one line of JSON. See peers.py.
args <- commandArgs(trailingOnly = TRUE)
package <- args[1]
trees <- as.integer(args[2])
suppressPackageStartupMessages(library(package, character.only = TRUE))

read <- function(name, columns = 1) {
  path <- file.path(args[3], name)
  v <- readBin(path, "double", file.size(path) / 8)
  if (columns == 1) v else matrix(v, ncol = columns, dimnames = list(NULL, paste0("x", seq_len(columns))))
}
shape <- read("shape")
x <- read("x_train", shape[1]); y <- read("y_train")
xt <- read("x_test", shape[1]); yt <- read("y_test")

memory <- function(what) {
  line <- grep(what, readLines("/proc/self/status"), value = TRUE)
  as.numeric(gsub("[^0-9]", "", line)) * 1024
}
clock <- function(work) {
  start <- proc.time()[["elapsed"]]
  value <- work()
  list(value = value, seconds = proc.time()[["elapsed"]] - start)
}
invisible(gc())
before <- memory("VmRSS")
if (package == "ranger") {
  fit <- clock(function() ranger(x = as.data.frame(x), y = y, num.trees = trees, mtry = ncol(x), min.node.size = 1,
                                 num.threads = 1, seed = 201, oob.error = FALSE, verbose = FALSE))
  run <- clock(function() predict(fit$value, as.data.frame(xt), num.threads = 1, verbose = FALSE)$predictions)
} else {
  set.seed(201)
  fit <- clock(function() randomForest(x, y, ntree = trees, mtry = ncol(x), nodesize = 1))
  run <- clock(function() predict(fit$value, xt))
}
cat(sprintf('{"version":"%s","fit":%.6f,"predict":%.6f,"bytes":%.0f,"peak":%.0f,"mse":%.9g}\n',
            as.character(packageVersion(package)), fit$seconds, run$seconds, length(serialize(fit$value, NULL)),
            max(memory("VmHWM") - before, 0), mean((run$value - yt)^2)))
