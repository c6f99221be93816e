#include "base/inject.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define POINTS_MAX 32
static struct point {
    char name[64];
    long from, until, seen; /* hits when from <= seen <= until */
} points[POINTS_MAX];
static int points_count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
bool inject_armed;

bool inject_hit(const char *name)
{
    bool hit = false;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < points_count; i++)
        if (strcmp(points[i].name, name) == 0) {
            points[i].seen++;
            hit |= points[i].seen >= points[i].from && points[i].seen <= points[i].until;
        }
    pthread_mutex_unlock(&lock);
    return hit;
}

void inject_set(const char *list)
{
    pthread_mutex_lock(&lock);
    points_count = 0;
    while (list && *list && points_count < POINTS_MAX) {
        const size_t size = strcspn(list, ",");
        struct point *point = &points[points_count];
        *point = (struct point){ .from = 1, .until = __LONG_MAX__ };
        const char *colon = memchr(list, ':', size);
        const size_t name_size = colon ? (size_t)(colon - list) : size;
        if (name_size > 0 && name_size < sizeof point->name) {
            memcpy(point->name, list, name_size);
            if (colon) {
                char *end;
                point->from = strtol(colon + 1, &end, 10);
                point->until = *end == '+' ? __LONG_MAX__ : point->from;
            }
            points_count++;
        }
        list += size;
        if (*list == ',')
            list++;
    }
    inject_armed = points_count > 0;
    pthread_mutex_unlock(&lock);
}
