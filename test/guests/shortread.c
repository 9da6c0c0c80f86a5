/* shortread FILE: reads into a buffer that is larger than the file, and says whether the rest of it was left alone. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { BUFFER = 64 * 1024, MARK = 0xa5 };

int main(int argc, char **argv)
{
	unsigned char *buffer = mmap(NULL, BUFFER, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int file = argc == 2 ? open(argv[1], O_RDONLY) : -1;
	ssize_t bytes;

	if (buffer == MAP_FAILED || file < 0)
		return 1;
	memset(buffer, MARK, BUFFER);
	bytes = read(file, buffer, BUFFER);
	if (bytes < 0)
		return 1;
	for (ssize_t i = bytes; i < BUFFER; i++)
		if (buffer[i] != MARK)
			return printf("%zd bytes, overwritten at %zd\n", bytes, i) < 0;
	return printf("%zd bytes, the rest is as it was\n", bytes) < 0;
}
