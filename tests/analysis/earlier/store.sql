BEGIN TRANSACTION;
CREATE TABLE images (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, bytes INTEGER, changed_ns INTEGER, width INTEGER, height INTEGER
);
INSERT INTO "images" VALUES(1,'0.png',370,1796048922003170865,16,16);
INSERT INTO "images" VALUES(2,'1.png',497,1796048922193006206,16,16);
INSERT INTO "images" VALUES(3,'2.png',589,1796048922415779060,16,16);
INSERT INTO "images" VALUES(4,'broken.png',4,1796048922415923772,NULL,NULL);
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO "meta" VALUES('fitted','[]');
INSERT INTO "meta" VALUES('folder','"/photos"');
INSERT INTO "meta" VALUES('metadata','{"poolzoo": "0.1.0", "created": "2026-11-30T14:29:27Z", "command": "poolzoo compare --dataset /photos --store e.sqlite --pool avg --pool s3 --seeds 2 --metric psnr --metric ssim --jobs 1 --output e.csv", "machine": {"python": "3.11.7", "system": "Linux x86_64", "cpu": "AMD EPYC", "cpu_cores": "2", "cpu_capability": "AVX2", "threads": "1", "gpu": "none", "torch": "2.13.0+cpu", "numpy": "2.4.6", "scipy": "1.17.1", "scikit-image": "0.26.0", "pillow": "13.0.0", "pandas": "3.1.1", "matplotlib": "3.11.2", "seaborn": "0.13.2"}, "baseline": "avg", "metrics": ["psnr", "ssim"], "images": [], "pools": [{"label": "avg", "name": "avg", "params": "", "summary": "mean of the window", "formula": "y = mean a", "source": "torch.nn.functional.avg_pool2d", "family": "averaging"}, {"label": "s3", "name": "s3", "params": "", "summary": "dense maximum, then rows and columns drawn; in evaluation its average", "formula": "train: y = max pool at stride 1, stride-th part of each grid''s rows and columns; eval: their mean", "source": "Zhai et al., arXiv 1611.05138", "family": "stochastic"}], "seed": 0, "seeds": 2, "device": "cpu", "dtype": "float64", "kernel_size": 2, "stride": 2, "upsample": ["bilinear"], "normalize": "none", "protocol": "roundtrip"}');
INSERT INTO "meta" VALUES('passed_over','{}');
INSERT INTO "meta" VALUES('poolzoo','"0.1.0"');
INSERT INTO "meta" VALUES('protocol','{"kernel_size": [2], "stride": null, "upsample": ["bilinear"], "normalize": "none", "metrics": ["psnr", "ssim"], "seed": 0, "seeds": 2, "device": "cpu", "protocol": "roundtrip", "decoder_images": [], "timed": false}');
INSERT INTO "meta" VALUES('times','{"machine": {"python": "3.11.7", "system": "Linux x86_64", "cpu": "AMD EPYC", "cpu_cores": "2", "cpu_capability": "AVX2", "threads": "1", "gpu": "none", "torch": "2.13.0+cpu", "numpy": "2.4.6", "scipy": "1.17.1", "scikit-image": "0.26.0", "pillow": "13.0.0", "pandas": "3.1.1", "matplotlib": "3.11.2", "seaborn": "0.13.2"}, "operators": [["avg", "", "fixed", {"forward_s": 2.4279624994960614e-05, "forward_iqr_s": 4.1246250361837156e-06, "forward_backend": "torch", "forward_dtype": "float32", "forward_shape": "1x3x16x16"}], ["s3", "", "train", {"forward_s": 0.0003909962497345987, "forward_iqr_s": 0.01013490549985363, "forward_backend": "reference", "forward_dtype": "float32", "forward_shape": "1x3x16x16"}], ["s3", "", "eval", {"forward_s": 0.004777416000024459, "forward_iqr_s": 0.005071877250202306, "forward_backend": "reference", "forward_dtype": "float32", "forward_shape": "1x3x16x16"}]]}');
CREATE TABLE operators (id INTEGER PRIMARY KEY, spec TEXT NOT NULL UNIQUE);
INSERT INTO "operators" VALUES(1,'avg');
INSERT INTO "operators" VALUES(2,'s3');
CREATE TABLE scores (
    series INTEGER NOT NULL REFERENCES series, image INTEGER NOT NULL REFERENCES images,
    kept, equal_kept, psnr, ssim, mse, mae, ms_ssim, vif, fsim, gmsd, mdsi, haarpsi, alias, spectrum_low, spectrum_mid, spectrum_high, shift, grad_reach, effective_weights, brightness, error, PRIMARY KEY (series, image)
) WITHOUT ROWID;
INSERT INTO "scores" VALUES(1,1,0.25,1,4.61695433042849501248e+01,9.81955974310649626346e-01,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "scores" VALUES(1,2,0.25,1,3.37297538715705798035e+01,9.1902841542280622189e-01,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "scores" VALUES(1,3,0.25,1,3.14863899776494093885e+01,9.51812633407272734586e-01,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "scores" VALUES(2,1,0.25,1,4.23426186194507963005e+01,0.977981233677774,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "scores" VALUES(2,2,0.25,1,3.15295818407876780051e+01,9.06599079180530398325e-01,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "scores" VALUES(2,3,0.25,1,2.32414179075337514737e+01,7.52391129299487482207e-01,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "scores" VALUES(3,1,0.25,1,4.14563462864586256256e+01,9.75231091434399344208e-01,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "scores" VALUES(3,2,0.25,1,3.18878634428727458782e+01,8.81671385915787864107e-01,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "scores" VALUES(3,3,0.25,1,2.41011464995588333684e+01,8.49787823154784183188e-01,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "scores" VALUES(4,1,0.25,1,4.31037248420024639034e+01,9.79234130238163857917e-01,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "scores" VALUES(4,2,0.25,1,3.23559441358167347861e+01,9.03886941873654814472e-01,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "scores" VALUES(4,3,0.25,1,2.65339773318337925891e+01,8.76234617404456628264e-01,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "scores" VALUES(5,4,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'''broken.png'': not an image of a format that is read: PNG, JPEG, WEBP, AVIF, GIF, TIFF, BMP, PPM, JPEG2000, QOI, PSD, SGI, PCX, TGA');
CREATE TABLE series (id INTEGER PRIMARY KEY, operator INTEGER REFERENCES operators, keys TEXT NOT NULL UNIQUE);
INSERT INTO "series" VALUES(1,1,'{"pool": "avg", "params": "", "kernel_size": 2, "stride": 2, "upsample": "bilinear", "normalize": "none", "protocol": "roundtrip", "input": "image", "state": "fixed", "seed": null, "data_range": 1.0, "decoder_fitted_on": null, "pool_fitted_on": null}');
INSERT INTO "series" VALUES(2,2,'{"pool": "s3", "params": "", "kernel_size": 2, "stride": 2, "upsample": "bilinear", "normalize": "none", "protocol": "roundtrip", "input": "image", "state": "train", "seed": 0, "data_range": 1.0, "decoder_fitted_on": null, "pool_fitted_on": null}');
INSERT INTO "series" VALUES(3,2,'{"pool": "s3", "params": "", "kernel_size": 2, "stride": 2, "upsample": "bilinear", "normalize": "none", "protocol": "roundtrip", "input": "image", "state": "train", "seed": 1, "data_range": 1.0, "decoder_fitted_on": null, "pool_fitted_on": null}');
INSERT INTO "series" VALUES(4,2,'{"pool": "s3", "params": "", "kernel_size": 2, "stride": 2, "upsample": "bilinear", "normalize": "none", "protocol": "roundtrip", "input": "image", "state": "eval", "seed": null, "data_range": 1.0, "decoder_fitted_on": null, "pool_fitted_on": null}');
INSERT INTO "series" VALUES(5,NULL,'{"pool": "", "params": "", "kernel_size": 2, "stride": 2, "upsample": "", "normalize": "none", "protocol": "roundtrip", "input": "image", "state": "", "seed": null, "data_range": null, "decoder_fitted_on": null, "pool_fitted_on": null}');
COMMIT;
PRAGMA application_id = 1347181135;
PRAGMA user_version = 2;
