// Loads a SavedModel as TF Serving does and answers requests, without Python.
//
//   session_loader SAVED_MODEL_FOLDER < requests > answers
//
// All numbers are little-endian.
//
// request: int32 number of runs; int32 number of inputs, then for each input its name,
//          int32 output index and tensor; int32 number of outputs, then for each output
//          its name and int32 output index
// answer:  int32 code. For code 0: double seconds of all runs, int64 resident kilobytes
//          after them, and the tensors of the outputs. For other codes: a message.
// tensor:  int32 type, int32 rank, int64 dimensions, then its bytes or its strings
// names, messages and strings: int64 length, then the bytes

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tensorflow/c/c_api.h"

enum { MOST = 64 };

static void need(int ok, const char* what) {
  if (!ok) {
    fprintf(stderr, "session_loader: %s\n", what);
    exit(1);
  }
}

static void get(void* to, size_t bytes) {
  need(fread(to, 1, bytes, stdin) == bytes, "the request ends too soon");
}

static void put(const void* from, size_t bytes) {
  need(fwrite(from, 1, bytes, stdout) == bytes, "the answer cannot be written");
}

static int32_t get_int(void) {
  int32_t value;
  get(&value, sizeof value);
  return value;
}

static char* get_string(int64_t* length) {
  get(length, sizeof *length);
  char* text = malloc(*length + 1);
  need(text != NULL, "no memory");
  get(text, *length);
  text[*length] = 0;
  return text;
}

static void put_string(const char* text, int64_t length) {
  put(&length, sizeof length);
  put(text, length);
}

static TF_Tensor* get_tensor(void) {
  const TF_DataType type = get_int();
  const int32_t rank = get_int();
  int64_t dims[8], count = 1;
  need(rank <= 8, "a tensor of too many dimensions");
  get(dims, rank * sizeof *dims);
  for (int i = 0; i < rank; ++i) count *= dims[i];
  const size_t size = type == TF_STRING ? sizeof(TF_TString) : TF_DataTypeSize(type);
  TF_Tensor* tensor = TF_AllocateTensor(type, dims, rank, count * size);
  need(tensor != NULL, "no memory");
  if (type != TF_STRING) {
    get(TF_TensorData(tensor), count * size);
    return tensor;
  }
  TF_TString* strings = TF_TensorData(tensor);
  for (int64_t i = 0; i < count; ++i) {
    int64_t length;
    char* text = get_string(&length);
    TF_TString_Init(&strings[i]);
    TF_TString_Copy(&strings[i], text, length);
    free(text);
  }
  return tensor;
}

static void put_tensor(const TF_Tensor* tensor) {
  const int32_t type = TF_TensorType(tensor), rank = TF_NumDims(tensor);
  put(&type, sizeof type);
  put(&rank, sizeof rank);
  for (int i = 0; i < rank; ++i) {
    const int64_t side = TF_Dim(tensor, i);
    put(&side, sizeof side);
  }
  if (type != TF_STRING) {
    put(TF_TensorData(tensor), TF_TensorByteSize(tensor));
    return;
  }
  const TF_TString* strings = TF_TensorData(tensor);
  for (int64_t i = 0; i < TF_TensorElementCount(tensor); ++i) {
    put_string(TF_TString_GetDataPointer(&strings[i]), TF_TString_GetSize(&strings[i]));
  }
}

static TF_Output get_place(TF_Graph* graph) {
  int64_t length;
  char* name = get_string(&length);
  TF_Output place = {TF_GraphOperationByName(graph, name), get_int()};
  need(place.oper != NULL, name);
  free(name);
  return place;
}

static int64_t resident_kilobytes(void) {
  long long pages = 0;
  FILE* file = fopen("/proc/self/statm", "r");
  if (file != NULL) {
    if (fscanf(file, "%*s %lld", &pages) != 1) pages = 0;
    fclose(file);
  }
  return pages * 4;
}

static void answer(TF_Session* session, TF_Graph* graph, int32_t repeats) {
  TF_Output inputs[MOST], outputs[MOST];
  TF_Tensor *given[MOST], *results[MOST] = {0};
  const int32_t num_inputs = get_int();
  need(num_inputs <= MOST, "too many inputs");
  for (int i = 0; i < num_inputs; ++i) {
    inputs[i] = get_place(graph);
    given[i] = get_tensor();
  }
  const int32_t num_outputs = get_int();
  need(num_outputs <= MOST, "too many outputs");
  for (int i = 0; i < num_outputs; ++i) outputs[i] = get_place(graph);
  TF_Status* status = TF_NewStatus();
  struct timespec start, end;
  clock_gettime(CLOCK_MONOTONIC, &start);
  for (int run = 0; run < repeats && TF_GetCode(status) == TF_OK; ++run) {
    for (int i = 0; i < num_outputs; ++i) {
      if (results[i] != NULL) TF_DeleteTensor(results[i]);
      results[i] = NULL;
    }
    TF_SessionRun(session, NULL, inputs, given, num_inputs, outputs, results,
                  num_outputs, NULL, 0, NULL, status);
  }
  clock_gettime(CLOCK_MONOTONIC, &end);
  const int32_t code = TF_GetCode(status);
  put(&code, sizeof code);
  if (code == TF_OK) {
    const double seconds =
        end.tv_sec - start.tv_sec + 1e-9 * (end.tv_nsec - start.tv_nsec);
    const int64_t kilobytes = resident_kilobytes();
    put(&seconds, sizeof seconds);
    put(&kilobytes, sizeof kilobytes);
    for (int i = 0; i < num_outputs; ++i) put_tensor(results[i]);
  } else {
    put_string(TF_Message(status), strlen(TF_Message(status)));
  }
  fflush(stdout);
  for (int i = 0; i < num_inputs; ++i) TF_DeleteTensor(given[i]);
  for (int i = 0; i < num_outputs; ++i) {
    if (results[i] != NULL) TF_DeleteTensor(results[i]);
  }
  TF_DeleteStatus(status);
}

int main(int argc, char** argv) {
  need(argc == 2, "expected the folder of a SavedModel");
  const char* tags[] = {"serve"};
  TF_Status* status = TF_NewStatus();
  TF_Graph* graph = TF_NewGraph();
  TF_SessionOptions* options = TF_NewSessionOptions();
  TF_Session* session = TF_LoadSessionFromSavedModel(
      options, NULL, argv[1], tags, 1, graph, NULL, status);
  need(TF_GetCode(status) == TF_OK, TF_Message(status));
  int32_t repeats;
  while (fread(&repeats, sizeof repeats, 1, stdin) == 1) {
    answer(session, graph, repeats);
  }
  TF_CloseSession(session, status);
  TF_DeleteSession(session, status);
  TF_DeleteSessionOptions(options);
  TF_DeleteGraph(graph);
  TF_DeleteStatus(status);
  return 0;
}
