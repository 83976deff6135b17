"""Tests in a browser, a package since names of modules come twice."""
